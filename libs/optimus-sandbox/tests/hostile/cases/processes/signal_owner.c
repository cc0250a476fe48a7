#include "hostile.h"

int attack(void) {
    for (int file = 0; file < 3; file++) {
        fcntl(file, F_SETSIG, SIGKILL);
        fcntl(file, F_SETOWN, getppid());
        fcntl(file, F_SETFL, fcntl(file, F_GETFL) | O_ASYNC);
    }
    fcntl(1, F_SETOWN, 1);
    puts("withstood");
    fflush(stdout);
    usleep(20000);
    return 0;
}
