#include "hostile.h"
#include <ftw.h>

static long total;

static int take(const char *path, const struct stat *data, int kind) {
    static char block[1 << 18];
    if (kind != FTW_F || !S_ISREG(data->st_mode) || total > 400L << 20) return 0;
    int file = open(path, O_RDONLY);
    for (ssize_t got; file >= 0 && (got = read(file, block, sizeof block)) > 0;) total += got;
    close(file);
    return 0;
}

int attack(void) {
    ftw("/usr", take, 16);
    puts(total > 100L << 20 ? "withstood" : "there is little to read");
    return 0;
}
