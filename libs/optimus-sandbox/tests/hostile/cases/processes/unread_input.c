#include "hostile.h"

int attack(void) {
    puts("withstood");
    return 0;
}
