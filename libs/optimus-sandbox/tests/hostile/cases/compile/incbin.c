#include "hostile.h"
__asm__(".section .rodata\nstolen:\n.incbin \"@SECRET_FILE@\"\n.text\n");
int attack(void) { return 0; }
