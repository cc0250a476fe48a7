#include "hostile.h"

int attack(void) {
    for (;;) touch(1 << 16);
}
