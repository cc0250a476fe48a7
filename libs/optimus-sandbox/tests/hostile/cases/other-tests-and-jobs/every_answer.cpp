#include "hostile.h"

int attack(void) {
    puts("");
    puts("withstood");
    for (int number = 0; number < 1000; number++) printf("%d\nyes\nno\nwithstood\n", number);
    return 0;
}
