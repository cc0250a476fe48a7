#include "hostile.h"
#include "refused.h"
#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>

int attack(void) {
    struct sched_param most = {.sched_priority = 50};
    refused("a better nice value", setpriority(PRIO_PROCESS, 0, -5));
    refused("SCHED_FIFO", sched_setscheduler(0, SCHED_FIFO, &most));
    refused("SCHED_RR", sched_setscheduler(0, SCHED_RR, &most));
    refused("real-time I/O", syscall(SYS_ioprio_set, 1, 0, 1 << 13 | 0));
    int before = getpriority(PRIO_PROCESS, 1);
    setpriority(PRIO_PROCESS, 1, 19);
    refused("the priority of the first process", getpriority(PRIO_PROCESS, 1) == before ? -1 : 0);
    int score = open("/proc/self/oom_score_adj", O_WRONLY);
    refused("an OOM score below everybody's", score == -1 ? -1 : write(score, "-1000", 5));
    int kinds[] = {RLIMIT_CORE, RLIMIT_NOFILE, RLIMIT_FSIZE, RLIMIT_CPU, RLIMIT_MSGQUEUE};
    for (int i = 0; i < 5; i++) {
        struct rlimit limit;
        getrlimit(kinds[i], &limit);
        if (limit.rlim_max == RLIM_INFINITY) printf("limit %d is not set\n", kinds[i]), got_through = 1;
        limit.rlim_max += 1;
        refused("a higher limit", setrlimit(kinds[i], &limit));
    }
    struct rlimit other = {1, 1};
    refused("the limits of the first process", syscall(SYS_prlimit64, 1, RLIMIT_NOFILE, &other, 0));
    return verdict();
}
