#include "hostile.h"
#include "refused.h"

/* Where the host's pattern names a handler, the kernel starts it as root with the memory of whatever crashes, unless the limit
   of core files is exactly 1. */
int attack(void) {
    struct rlimit none = {0, 0}, there;
    answered("no core files", setrlimit(RLIMIT_CORE, &none), EPERM);
    answered("no core files, by the older call", syscall(SYS_setrlimit, RLIMIT_CORE | 1ul << 32, &none), EPERM);
    answered("no core files of this process", syscall(SYS_prlimit64, 0, RLIMIT_CORE, &none, &there), EPERM);
    answered("no core files of this process by its number", syscall(SYS_prlimit64, getpid(), RLIMIT_CORE, &none, 0), EPERM);
    if (getrlimit(RLIMIT_CORE, &there) || there.rlim_cur != 1 || there.rlim_max != 1) {
        printf("the limit is %ld of %ld\n", (long)there.rlim_cur, (long)there.rlim_max);
        return 0;
    }
    for (int i = 0; i < 5; i++) {
        int status;
        if (fork() == 0) abort();
        wait(&status);
        if (WCOREDUMP(status)) puts("a core was dumped"), got_through = 1;
    }
    return verdict();
}
