#include "hostile.h"

int attack(void) {
    int file = open("/tmp/large", O_CREAT | O_WRONLY, 0600);
    if (pwrite(file, "x", 1, 1L << 40) == 1) puts("a terabyte");
    return 0;
}
