#include "hostile.h"

int attack(void) {
    if (!fork()) {
        setsid();
        while (getppid() != 1) usleep(100);
        usleep(100000);
        for (;;) if (write(1, "later\n", 6) < 0) _exit(0);
    }
    puts("withstood");
    return 0;
}
