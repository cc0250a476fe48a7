#include "hostile.h"
#include <sys/ioctl.h>

/* The pipes that the agent reads: larger, smaller, full, not blocking, in packets, and with a signal for whoever reads. */
int attack(void) {
    static char junk[65536];
    for (int pipe = 1; pipe < 3; pipe++) {
        fcntl(pipe, F_SETPIPE_SZ, 4096);
        fcntl(pipe, F_SETPIPE_SZ, 1 << 20);
        fcntl(pipe, F_SETPIPE_SZ, 1 << 30);
        fcntl(pipe, F_SETSIG, SIGKILL);
        fcntl(pipe, F_SETOWN, getppid() ? getppid() : 1);
        fcntl(pipe, F_SETOWN, 1);
        fcntl(pipe, F_SETFL, O_NONBLOCK | O_ASYNC | O_DIRECT | O_APPEND);
        int one = 1;
        ioctl(pipe, FIOASYNC, &one);
    }
    for (int i = 0; i < 8; i++)
        if (write(2, junk, sizeof junk)) {}
    fcntl(1, F_SETFL, 0);
    puts("withstood");
    return 0;
}
