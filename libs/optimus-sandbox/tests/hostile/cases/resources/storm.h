/* What goes on for a while, in several processes at once. */
#ifndef STORM_H
#define STORM_H
#include "hostile.h"

#define STORM_MS 600

static inline long now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Has so many children do something again and again, until the time is over and they are killed. */
static inline int storm(int children, void (*once)(int child)) {
    pid_t started[64];
    int failed = 0;
    for (int i = 0; i < children; i++) {
        started[i] = fork();
        if (started[i] == -1) failed = 1;
        if (!started[i]) for (;;) once(i);
    }
    for (long until = now_ms() + STORM_MS; now_ms() < until;) usleep(10000);
    for (int i = 0; i < children; i++)
        if (started[i] > 0) kill(started[i], SIGKILL);
    while (wait(0) > 0) {}
    puts(failed ? "no child can be made" : "withstood");
    return 0;
}
#endif
