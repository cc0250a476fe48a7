#include "hostile.h"

int attack(void) {
    const char *places[] = {"/box", "/tmp", "/dev/shm"};
    char path[64];
    signal(SIGXFSZ, SIG_IGN);
    for (int i = 0; i < 3; i++) {
        long mib = 0;
        for (int number = 0; number < 100; number++) {
            snprintf(path, sizeof path, "%s/%d", places[i], number);
            int file = open(path, O_CREAT | O_WRONLY, 0600);
            if (!fallocate(file, 0, 0, 8L << 20)) mib += 8;
            close(file);
        }
        if (mib > 100) printf("%ld MiB in %s\n", mib, places[i]);
    }
    puts("withstood");
    return 0;
}
