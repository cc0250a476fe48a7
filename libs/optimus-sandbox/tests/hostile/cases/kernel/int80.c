#include "hostile.h"

/* System call 20 is getpid of a 32-bit program, and writev of a 64-bit one. */
int attack(void) {
#ifdef __x86_64__
    long result = 20;
    __asm__ volatile("int $0x80" : "+a"(result) : : "memory", "r8", "r9", "r10", "r11");
    printf("a 32-bit system call answered %ld\n", result);
#else
    raise(31);
#endif
    return 0;
}
