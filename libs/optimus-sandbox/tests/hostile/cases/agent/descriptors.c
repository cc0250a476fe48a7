#include "hostile.h"

/* Any descriptor beside the three is somebody else's. */
int attack(void) {
    char path[64], target[256];
    int through = 0;
    for (int number = 0; number < 4096; number++) {
        if (fcntl(number, F_GETFD) == -1) continue;
        snprintf(path, sizeof path, "/proc/self/fd/%d", number);
        ssize_t length = readlink(path, target, sizeof target - 1);
        target[length < 0 ? 0 : length] = 0;
        if (number < 3 && (strncmp(target, "pipe:", 5) == 0 || strncmp(target, "/memfd:", 7) == 0)) continue;
        printf("%d leads to %s\n", number, target);
        through = 1;
    }
    if (!through) puts("withstood");
    return 0;
}
