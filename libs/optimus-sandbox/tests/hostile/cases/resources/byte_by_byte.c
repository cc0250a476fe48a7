#include "hostile.h"

int attack(void) {
    for (;;) if (write(1, "x", 1) < 0) return 1;
}
