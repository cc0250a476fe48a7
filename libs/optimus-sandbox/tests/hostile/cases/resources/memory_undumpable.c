#include "hostile.h"

int attack(void) {
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    for (int i = 0; i < 20; i++) {
        if (fork()) continue;
        for (int part = 0; part < 40; part++) {
            touch(1 << 18);
            usleep(2000);
        }
        pause();
    }
    pause();
    return 0;
}
