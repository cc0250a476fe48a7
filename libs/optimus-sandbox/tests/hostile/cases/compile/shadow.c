#include "hostile.h"
#include "/etc/shadow"
#include "@SECRET_FILE@"
int attack(void) { return 0; }
