#include "hostile.h"

int attack(void) {
    fwrite("withstood\0\n", 1, 11, stdout);
    return 0;
}
