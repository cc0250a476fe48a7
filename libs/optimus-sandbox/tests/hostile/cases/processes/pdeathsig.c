#include "hostile.h"

int attack(void) {
    prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0);
    if (!fork()) {
        prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0);
        setsid();
        close(0);
        close(1);
        close(2);
        for (;;) pause();
    }
    usleep(10000);
    puts("withstood");
    return 0;
}
