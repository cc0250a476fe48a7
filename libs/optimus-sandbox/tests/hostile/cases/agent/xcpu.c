#include "hostile.h"

/* As the kernel would for its CPU time. */
int attack(void) {
    signal(SIGXCPU, SIG_DFL);
    raise(SIGXCPU);
    pause();
    return 0;
}
