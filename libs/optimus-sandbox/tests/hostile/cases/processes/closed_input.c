#include "hostile.h"

int attack(void) {
    char byte;
    close(0);
    if (read(0, &byte, 1) >= 0) puts("there is an input");
    if (open("/dev/null", O_RDONLY) != 0) puts("it is not the first free one");
    puts("withstood");
    return 0;
}
