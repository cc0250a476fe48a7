#include "hostile.h"

/* All three streams closed, other things in their places, then put back. */
int attack(void) {
    int output = dup(1);
    for (int i = 0; i < 3; i++) close(i);
    open("/dev/zero", O_RDWR);
    open("/tmp", O_RDONLY);
    int pair[2];
    if (pipe(pair)) return 1;
    if (write(pair[1], "lost", 4)) {}
    dup2(output, 1);
    puts("withstood");
    fflush(stdout);
    close(1);
    close(output);
    return 0;
}
