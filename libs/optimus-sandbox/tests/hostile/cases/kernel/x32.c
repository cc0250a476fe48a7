#include "hostile.h"
#include "refused.h"

int attack(void) {
    enum { X32 = 0x40000000 };
    int numbers[] = {0, 1, 39, 57, 101, 512, 519, 520, 545};
    for (int i = 0; i < 9; i++) unknown("an x32 system call", syscall(X32 | numbers[i], 0, 0, 0, 0, 0, 0));
    return verdict();
}
