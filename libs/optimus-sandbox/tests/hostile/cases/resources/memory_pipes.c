#include "hostile.h"

int attack(void) {
    static char block[1 << 16];
    for (int i = 0; i < 50; i++) {
        if (fork()) continue;
        int ends[2];
        while (!pipe2(ends, O_NONBLOCK)) while (write(ends[1], block, sizeof block) > 0) {}
        pause();
    }
    usleep(300000);
    puts("withstood");
    return 0;
}
