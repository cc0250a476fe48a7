#include "hostile.h"

int attack(void) {
    sigset_t all;
    for (int number = 1; number < 65; number++) signal(number, SIG_IGN);
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, 0);
    for (;;) sleep(1000);
}
