#include "hostile.h"

int attack(void) {
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    for (int i = 0; i < 4; i++) if (!fork()) for (;;) {}
    for (;;) pause();
}
