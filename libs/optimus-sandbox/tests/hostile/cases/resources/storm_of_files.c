#include "storm.h"

static void once(int child) {
    char path[64], other[64];
    struct stat data;
    for (int i = 0; i < 64; i++) {
        snprintf(path, sizeof path, "/tmp/%d-%d", child, i);
        snprintf(other, sizeof other, "/dev/shm/%d-%d", child, i);
        close(open(path, O_CREAT | O_RDWR, 0600));
        truncate(path, 1 << 16);
        rename(path, "/tmp/renamed");
        symlink("/tmp/renamed", other);
        stat(other, &data);
        unlink(other);
        mkdir(other, 0700);
        rmdir(other);
    }
    unlink("/tmp/renamed");
}

int attack(void) { return storm(4, once); }
