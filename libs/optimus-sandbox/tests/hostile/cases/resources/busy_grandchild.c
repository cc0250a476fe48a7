#include "hostile.h"

int attack(void) {
    if (!fork()) {
        if (!fork()) for (;;) {}
        wait(0);
    }
    wait(0);
    return 0;
}
