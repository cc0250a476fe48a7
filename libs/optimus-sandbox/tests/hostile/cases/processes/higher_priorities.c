#include "hostile.h"

int attack(void) {
    struct sched_param most = {99};
    struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
    int limits[] = {RLIMIT_NOFILE, RLIMIT_CORE, RLIMIT_FSIZE, RLIMIT_MSGQUEUE, RLIMIT_NICE, RLIMIT_RTPRIO, RLIMIT_MEMLOCK};
    if (!sched_setscheduler(0, SCHED_FIFO, &most) || !sched_setscheduler(0, SCHED_RR, &most)) puts("it has real time");
    if (!setpriority(PRIO_PROCESS, 0, -20)) puts("it goes first");
    if (!syscall(SYS_ioprio_set, 1, 0, 1 << 13)) puts("its reads and writes go first");
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        struct rlimit now;
        getrlimit(limits[i], &now);
        if (now.rlim_max != RLIM_INFINITY && !setrlimit(limits[i], &all)) printf("limit %d is lifted\n", limits[i]);
    }
    int score = open("/proc/self/oom_score_adj", O_WRONLY);
    if (score >= 0 && write(score, "-1000", 5) == 5) puts("nothing kills it");
    if (prctl(PR_SET_MM, PR_SET_MM_START_CODE, 0, 0, 0) == 0) puts("it has another shape");
    puts("withstood");
    return 0;
}
