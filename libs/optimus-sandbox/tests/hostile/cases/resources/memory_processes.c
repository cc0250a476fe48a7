#include "hostile.h"

int attack(void) {
    for (int i = 0; i < 40; i++) {
        if (fork()) continue;
        touch(4 << 20);
        pause();
    }
    pause();
    return 0;
}
