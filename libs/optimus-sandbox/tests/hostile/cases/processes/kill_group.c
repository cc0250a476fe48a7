#include "hostile.h"

int attack(void) {
    puts("withstood");
    fflush(stdout);
    kill(0, SIGKILL);
    for (;;) pause();
}
