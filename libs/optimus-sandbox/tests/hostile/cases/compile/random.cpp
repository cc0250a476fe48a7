#include "/dev/urandom"
#include "hostile.h"
int attack() { return 0; }
