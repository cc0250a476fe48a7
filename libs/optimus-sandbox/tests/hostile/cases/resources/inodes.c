#include "hostile.h"

int attack(void) {
    const char *places[] = {"/box", "/tmp", "/dev/shm"};
    char path[64];
    for (int i = 0; i < 3; i++) {
        int number = 0;
        do {
            snprintf(path, sizeof path, "%s/%d", places[i], number);
        } while (number < 100000 && !mknod(path, S_IFREG | 0600, 0) && ++number);
        if (number > 50000) printf("%d files in %s\n", number, places[i]);
    }
    puts("withstood");
    return 0;
}
