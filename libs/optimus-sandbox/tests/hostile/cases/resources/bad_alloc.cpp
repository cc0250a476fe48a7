#include "hostile.h"

int attack(void) {
    volatile size_t all = 1UL << 60;
    char *memory = new char[all];
    printf("%p\n", (void *)memory);
    return 0;
}
