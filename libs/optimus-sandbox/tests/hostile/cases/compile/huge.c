#include "hostile.h"
/* A program of a gigabyte. */
char much[1 << 30] = {1};
int attack(void) { return much[5]; }
