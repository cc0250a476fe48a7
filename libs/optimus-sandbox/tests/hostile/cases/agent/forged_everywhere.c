#include "hostile.h"
#include "frames.h"

/* On every descriptor that there might be, and on those of others. */
int attack(void) {
    char path[64];
    for (int to = 0; to < 1024; to++)
        if (to != 1) forge(to);
    int others[] = {1, getppid(), 2, 3, 4, 5};
    for (int i = 0; i < 6; i++)
        for (int to = 0; to < 16; to++) {
            if (others[i] == getpid()) continue;
            snprintf(path, sizeof path, "/proc/%d/fd/%d", others[i], to);
            int opened = open(path, O_WRONLY | O_NONBLOCK);
            if (opened == -1) continue;
            printf("opened %s\n", path);
            forge(opened);
            return 0;
        }
    puts("withstood");
    return 0;
}
