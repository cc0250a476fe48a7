#include "hostile.h"
#include <sys/sendfile.h>

/* Pages of a file that a socket or a pipe was given instead of a copy belong to nobody once the file is cut short. */

static char block[1 << 16];

static ssize_t to_socket(int file) {
    int ends[2];
    off_t at = 0;
    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) ? 0 : sendfile(ends[0], file, &at, sizeof block);
}

static ssize_t to_pipe(int file) {
    int ends[2];
    loff_t at = 0;
    return pipe2(ends, O_NONBLOCK) ? 0 : splice(file, &at, ends[1], 0, sizeof block, SPLICE_F_NONBLOCK);
}

static ssize_t from_pipe_to_pipe(int file) {
    int from[2], to[2];
    loff_t at = 0;
    if (pipe2(from, O_NONBLOCK) || pipe2(to, O_NONBLOCK)) return 0;
    if (splice(file, &at, from[1], 0, sizeof block, SPLICE_F_NONBLOCK) <= 0 && write(from[1], block, sizeof block) <= 0) return 0;
    return tee(from[0], to[1], sizeof block, SPLICE_F_NONBLOCK);
}

static ssize_t of_the_own_memory(int file) {
    int ends[2];
    struct iovec piece = {block, sizeof block};
    (void)file;
    return pipe2(ends, O_NONBLOCK) ? 0 : vmsplice(ends[1], &piece, 1, SPLICE_F_GIFT | SPLICE_F_NONBLOCK);
}

int attack(void) {
    ssize_t (*const ways[])(int) = {to_socket, to_pipe, from_pipe_to_pipe, of_the_own_memory};
    int told[2];
    pipe(told);
    for (int process = 0; process < 20; process++) {
        if (fork()) continue;
        long held = 0;
        int file = memfd_create("given", 0);
        for (int i = 0; i < 60; i++) {
            memset(block, i + 1, sizeof block);
            pwrite(file, block, sizeof block, 0);
            ssize_t given = ways[i % 4](file);
            ftruncate(file, 0);
            if (given > 0) held += given;
        }
        write(told[1], &held, sizeof held);
        pause();
    }
    long all = 0, held;
    for (int process = 0; process < 20; process++)
        if (read(told[0], &held, sizeof held) == sizeof held) all += held;
    usleep(300000);
    if (all) printf("held %ld KiB of nobody's\n", all >> 10);
    else puts("withstood");
    return 0;
}
