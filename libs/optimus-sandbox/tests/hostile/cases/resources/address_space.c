#include "hostile.h"

int attack(void) {
    void *all = mmap(0, 16UL << 40, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    puts(all == MAP_FAILED ? "there are few addresses" : "withstood");
    return 0;
}
