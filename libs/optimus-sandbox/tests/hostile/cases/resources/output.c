#include "hostile.h"

int attack(void) {
    for (;;) puts("more");
}
