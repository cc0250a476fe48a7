#include "hostile.h"
#include "refused.h"
#include <sys/personality.h>

int attack(void) {
    unknown("READ_IMPLIES_EXEC", personality(READ_IMPLIES_EXEC));
    unknown("MMAP_PAGE_ZERO", personality(MMAP_PAGE_ZERO));
    unknown("PER_LINUX32", personality(PER_LINUX32));
    unknown("PER_SVR4", personality(PER_SVR4));
    return verdict();
}
