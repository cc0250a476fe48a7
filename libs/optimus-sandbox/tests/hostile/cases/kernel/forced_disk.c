#include "hostile.h"

/* A container's /etc/hosts lies on the host's disk. What is not done with a file is not done with none either: that tells. */

static const char *files[] = {"/etc/hosts", "/etc/hostname", "/etc/passwd", "/bin/sh", "/proc/self/exe"};

static void through(const char *what) {
    printf("got through: %s\n", what);
    exit(0);
}

static void opened(const char *path) {
    int file = open(path, O_RDONLY | O_DIRECT);
    if (file >= 0 || errno != EINVAL) through("O_DIRECT");
    file = open(path, O_RDONLY);
    if (file < 0) return;
    if (fcntl(file, F_SETFL, O_DIRECT) == 0) through("F_SETFL");
    if (fcntl(file, F_SETFL, O_DIRECT | O_NONBLOCK) == 0) through("F_SETFL with another flag");
    if (syscall(SYS_syncfs, file) == 0) through("syncfs");
    if (fsync(file) || fdatasync(file) || syscall(SYS_sync_file_range, file, 0L, 0L, 7)) through("an error");
    void *seen = mmap(0, 4096, PROT_READ, MAP_SHARED, file, 0);
    if (seen != MAP_FAILED && msync(seen, 4096, MS_SYNC)) through("an error of msync");
    close(file);
}

int attack(void) {
    /* With its flags in memory, where no filter can look. */
    unsigned long how[3] = {O_RDONLY | O_DIRECT, 0, 0};
    long number = 437;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) opened(files[i]);
    char *nothing = (char *)mmap(0, 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(nothing, 8192);
    if (syscall(number, AT_FDCWD, "/etc/passwd", how, sizeof how) >= 0 || errno != ENOSYS) through("openat2");
    if (fsync(-1)) through("fsync");
    if (fdatasync(-1)) through("fdatasync");
    if (syscall(SYS_sync_file_range, -1, 0L, 0L, 7)) through("sync_file_range");
    if (msync(nothing, 8192, MS_SYNC) || msync(nothing, 8192, MS_SYNC | MS_INVALIDATE)) through("msync");
    /* That one tells programs where there is memory. */
    if (msync(nothing, 8192, MS_ASYNC) == 0 || errno != ENOMEM) through("a success where there is no memory");
    printf("withstood\n");
    return 0;
}
