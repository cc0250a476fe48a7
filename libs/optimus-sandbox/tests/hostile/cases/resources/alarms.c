#include "hostile.h"
#include <sys/time.h>

static void nothing(int number) {
    (void)number;
}

int attack(void) {
    struct itimerval often = {{0, 1}, {0, 1}};
    signal(SIGALRM, nothing);
    signal(SIGVTALRM, nothing);
    signal(SIGPROF, nothing);
    setitimer(ITIMER_REAL, &often, 0);
    setitimer(ITIMER_VIRTUAL, &often, 0);
    setitimer(ITIMER_PROF, &often, 0);
    for (;;) {}
}
