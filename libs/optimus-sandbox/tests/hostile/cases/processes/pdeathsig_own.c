#include "hostile.h"
#include <sys/ioctl.h>
#include <termios.h>

int attack(void) {
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    setpgid(0, getppid());
    setpgid(getppid(), 0);
    if (!setpgid(getppid(), getpid())) puts("its parent is in its group");
    tcsetpgrp(0, getpid());
    if (!ioctl(0, TIOCSCTTY, 1)) puts("it has a terminal");
    if (getsid(getppid()) == getsid(0)) puts("its session is that of its parent");
    puts("withstood");
    return 0;
}
