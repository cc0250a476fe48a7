#include "hostile.h"

int attack(void) {
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", 0);
    int again = open(path, O_RDWR);
    for (int i = 0; i < 2; i++) {
        int file = i ? again : 0;
        if (write(file, "more", 4) > 0) puts("it is written to");
        if (pwrite(file, "more", 4, 0) > 0) puts("its beginning is written to");
        if (!ftruncate(file, 0)) puts("it is cut");
        if (!ftruncate(file, 1 << 20)) puts("it grows");
        if (!fchmod(file, 0777) && file == again) puts("its mode is another");
        if (mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0) != MAP_FAILED) puts("it is mapped to be written");
        if (!fallocate(file, 0, 0, 1 << 20)) puts("it has more room");
    }
    puts("withstood");
    return 0;
}
