#include "hostile.h"

int attack(void) {
    // Not more than a small machine has: the kernel would promise nothing.
    mmap(0, 2UL << 30, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    puts("2 GiB");
    return 0;
}
