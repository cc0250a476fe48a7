#include "/dev/zero"
#include "hostile.h"
int attack(void) { return 0; }
