#include "hostile.h"

int attack(void) {
    const char *names[] = {") R 1 1 1 0 0", "\n1 (a) Z 0 0", "(((", ") ", " "};
    for (int i = 0; i < 5; i++) {
        if (fork()) continue;
        prctl(PR_SET_NAME, names[i], 0, 0, 0);
        if (!fork()) for (;;) {}
        for (;;) {}
    }
    prctl(PR_SET_NAME, ") S 0 0 0 0 0 0", 0, 0, 0);
    for (;;) pause();
}
