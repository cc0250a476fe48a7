#include "hostile.h"

int attack(void) {
    for (int i = 0; i < 20; i++) {
        if (fork()) continue;
        setsid();
        signal(SIGCONT, SIG_IGN);
        for (;;) raise(SIGSTOP);
    }
    usleep(20000);
    puts("withstood");
    return 0;
}
