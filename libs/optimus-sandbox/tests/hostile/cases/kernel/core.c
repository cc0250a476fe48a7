#include "hostile.h"
#include <sys/resource.h>

/* A dump would land where a pattern of the whole host says. */
int attack(void) {
    struct rlimit much = {RLIM_INFINITY, RLIM_INFINITY};
    if (setrlimit(RLIMIT_CORE, &much) == 0) puts("core dumps are allowed");
    struct rlimit limit;
    getrlimit(RLIMIT_CORE, &limit);
    if (limit.rlim_max > 1) return 0;
    abort();
}
