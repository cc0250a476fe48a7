#include "hostile.h"

/* The code by which a phase of the agent says that the program did not compile, so that all ends well. */
int attack(void) { _exit(10); }
