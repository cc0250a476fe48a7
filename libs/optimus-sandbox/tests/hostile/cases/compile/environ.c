#include "hostile.h"
#include "/proc/1/environ"
#include "/proc/self/environ"
#include "/run/optimus/job.json"
int attack(void) { return 0; }
