#include "hostile.h"

int attack(void) {
    fcntl(1, F_SETPIPE_SZ, 4096);
    fcntl(2, F_SETPIPE_SZ, 1 << 20);
    fcntl(2, F_SETFL, fcntl(2, F_GETFL) | O_NONBLOCK | O_APPEND);
    for (int i = 0; i < 100000; i++) write(2, "x", 1);
    fcntl(2, F_SETPIPE_SZ, 4096);
    puts("withstood");
    return 0;
}
