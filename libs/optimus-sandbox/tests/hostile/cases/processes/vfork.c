#include "hostile.h"

int attack(void) {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, 0);
    if (vfork() == 0) for (;;) pause();
    return 0;
}
