#include "hostile.h"

int attack(void) {
    size_t size = 1UL << 30;
    char *all = mmap(0, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (int child = 0; child < 8; child++) {
        if (fork()) continue;
        for (size_t at = child * (size / 8); at < (child + 1) * (size / 8); at += 4096) all[at] = 1;
        pause();
    }
    pause();
    return 0;
}
