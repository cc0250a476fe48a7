#include "hostile.h"

int attack(void) {
    const char *targets[] = {"/etc/passwd", "/bin/sh", "/usr/bin/env", "/box/.optimus/main", "/optimus/runner.sh", "/proc/self/exe"};
    const char *places[] = {"/box", "/tmp", "/dev/shm"};
    char path[64];
    for (int i = 0; i < 3; i++) {
        for (int j = 0; j < 6; j++) {
            snprintf(path, sizeof path, "%s/link%d", places[i], j);
            if (!linkat(AT_FDCWD, targets[j], AT_FDCWD, path, AT_SYMLINK_FOLLOW)) {
                /* A second name alone changes nothing; being able to write by it would. */
                int file = open(path, O_WRONLY);
                if (file >= 0) printf("%s can be written to\n", targets[j]);
            }
        }
        snprintf(path, sizeof path, "%s/own", places[i]);
        mknod(path, S_IFREG | 0600, 0);
        for (int j = 0; j < 500; j++) {
            char other[80];
            snprintf(other, sizeof other, "%s%d", path, j);
            if (link(path, other)) break;
        }
    }
    puts("withstood");
    return 0;
}
