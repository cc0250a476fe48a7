#include "hostile.h"

int attack(void) {
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    for (int i = 0; i < 10; i++) {
        if (fork()) continue;
        prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
        if (fork()) for (;;) pause();
        setsid();
        if (fork()) _exit(0);
        for (;;) pause();
    }
    usleep(20000);
    puts("withstood");
    return 0;
}
