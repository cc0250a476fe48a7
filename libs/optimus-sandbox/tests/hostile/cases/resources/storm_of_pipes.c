#include "storm.h"

static void once(int child) {
    static char block[1 << 16];
    int ends[2], sockets[2];
    (void)child;
    if (!pipe2(ends, O_NONBLOCK)) {
        if (write(ends[1], block, sizeof block) > 0) read(ends[0], block, sizeof block);
        close(ends[0]);
        close(ends[1]);
    }
    if (!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sockets)) {
        while (write(sockets[0], block, sizeof block) > 0) {}
        close(sockets[0]);
        close(sockets[1]);
    }
}

int attack(void) { return storm(8, once); }
