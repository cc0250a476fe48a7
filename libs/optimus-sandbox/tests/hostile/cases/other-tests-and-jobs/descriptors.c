#include "hostile.h"

int attack(void) {
    struct stat data;
    for (int file = 3; file < 70000; file++) if (!fstat(file, &data)) printf("descriptor %d is open\n", file);
    for (int file = 0; file < 3; file++) {
        if (fstat(file, &data)) printf("descriptor %d is closed\n", file);
        if (S_ISDIR(data.st_mode) || S_ISSOCK(data.st_mode)) printf("descriptor %d is no stream\n", file);
        int kind = fcntl(file, F_GETFL) & O_ACCMODE;
        if (file > 0 && kind != O_WRONLY) printf("descriptor %d can be read from\n", file);
    }
    if (openat(0, ".", O_RDONLY) >= 0 || openat(1, "..", O_RDONLY) >= 0) puts("a way out by a descriptor");
    puts("withstood");
    return 0;
}
