#include "hostile.h"

int attack(void) {
    mmap(0, 8UL << 30, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    puts("8 GiB");
    return 0;
}
