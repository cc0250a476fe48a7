#include "hostile.h"

int attack(void) {
    cpu_set_t one;
    struct sched_param least = {0};
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    sched_setaffinity(0, sizeof one, &one);
    for (int child = 0; child < 48; child++) {
        if (fork()) continue;
        while (child % 6) {}
        burn(3);
        sched_setscheduler(0, SCHED_IDLE, &least);
        setpriority(PRIO_PROCESS, 0, 19);
        for (;;) close(open("/dev/stdout", O_WRONLY | O_NONBLOCK));
    }
    for (;;) {}
}
