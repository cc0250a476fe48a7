#include "hostile.h"

int attack(void) {
    if (!fork()) {
        if (daemon(0, 0)) _exit(1);
        for (;;) usleep(1000);
    }
    wait(0);
    puts("withstood");
    return 0;
}
