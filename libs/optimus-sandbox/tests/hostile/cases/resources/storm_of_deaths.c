#include "storm.h"

/* Each child is a whole program of some memory that crashes. */
static void once(int child) {
    (void)child;
    pid_t dying = fork();
    if (!dying) {
        touch(1 << 20);
        abort();
    }
    if (dying > 0) waitpid(dying, 0, 0);
}

int attack(void) { return storm(4, once); }
