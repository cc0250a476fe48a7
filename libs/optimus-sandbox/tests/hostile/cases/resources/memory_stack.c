#include "hostile.h"

static int deeper(int n) {
    volatile char room[4096];
    room[n % 4096] = n;
    return deeper(n + 1) + room[0];
}

int attack(void) {
    return deeper(0);
}
