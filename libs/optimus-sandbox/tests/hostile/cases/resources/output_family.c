#include "hostile.h"

int attack(void) {
    static char block[4096];
    memset(block, '!', sizeof block);
    for (int i = 0; i < 30; i++) {
        if (fork()) continue;
        setsid();
        if (fork()) _exit(0);
        for (;;) if (write(1 + i % 2, block, sizeof block) < 0) _exit(0);
    }
    pause();
    return 0;
}
