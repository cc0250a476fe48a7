#include "hostile.h"

int attack(void) {
    puts("withstood");
    fflush(stdout);
    for (;;) if (fork() > 0) _exit(0);
}
