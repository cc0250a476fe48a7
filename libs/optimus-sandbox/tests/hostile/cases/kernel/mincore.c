#include "hostile.h"

int attack(void) {
    unsigned char seen;
    // With terabytes of addresses it goes on for minutes, whoever is to be killed.
    long answer = syscall(SYS_mincore, (unsigned long)&seen & ~4095UL, 4096UL, &seen);
    puts(answer == -1 && errno == ENOSYS ? "withstood" : "the kernel walks through addresses");
    return 0;
}
