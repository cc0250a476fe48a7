#include "hostile.h"

int attack(void) {
    static char block[1 << 16];
    const char *places[] = {"/box", "/tmp", "/dev/shm"};
    char path[64];
    signal(SIGXFSZ, SIG_IGN);
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/all", places[i]);
        int file = open(path, O_CREAT | O_WRONLY, 0600);
        while (write(file, block, sizeof block) > 0) {}
        for (int number = 0;; number++) {
            snprintf(path, sizeof path, "%s/%d", places[i], number);
            if (mknod(path, S_IFREG | 0600, 0)) break;
        }
    }
    puts("withstood");
    return 0;
}
