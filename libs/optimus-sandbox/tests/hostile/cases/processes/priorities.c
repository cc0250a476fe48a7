#include "hostile.h"

int attack(void) {
    struct sched_param least = {0};
    struct rlimit few = {3, 3}, none = {0, 0};
    cpu_set_t first;
    CPU_ZERO(&first);
    CPU_SET(0, &first);
    sched_setaffinity(0, sizeof first, &first);
    sched_setaffinity(getppid(), sizeof first, &first);
    sched_setscheduler(0, SCHED_IDLE, &least);
    sched_setscheduler(getppid(), SCHED_IDLE, &least);
    setpriority(PRIO_PROCESS, 0, 19);
    setpriority(PRIO_USER, getuid(), 19);
    setpriority(PRIO_PROCESS, getppid(), 19);
    umask(0777);
    puts("withstood");
    fflush(stdout);
    for (int limit = 0; limit < 16; limit++) {
        if (limit != RLIMIT_CPU) setrlimit(limit, limit == RLIMIT_NOFILE ? &few : &none);
        if (!syscall(SYS_prlimit64, getppid(), limit, &none, 0)) puts("its parent has no limit left");
    }
    return 0;
}
