#include "hostile.h"
#include "refused.h"
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>

int attack(void) {
    /* To what they show already, should somebody let it through. */
    struct timespec now;
    struct timeval same;
    clock_gettime(CLOCK_REALTIME, &now);
    gettimeofday(&same, 0);
    unknown("clock_settime", syscall(SYS_clock_settime, CLOCK_REALTIME, &now));
    unknown("settimeofday", syscall(SYS_settimeofday, &same, 0));
    struct timex slew = {.modes = 0};
    unknown("adjtimex", syscall(SYS_adjtimex, &slew));
    unknown("clock_adjtime", syscall(SYS_clock_adjtime, CLOCK_REALTIME, &slew));
    return verdict();
}
