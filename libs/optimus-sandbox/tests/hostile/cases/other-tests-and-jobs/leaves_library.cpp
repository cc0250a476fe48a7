#include "hostile.h"

int attack(void) {
    const char *places[] = {"/etc/ld.so.preload", "/etc/ld.so.cache", "/box/libc.so.6", "/tmp/libc.so.6", "/lib/libc.so.6",
                            "/usr/lib/libmine.so", "/etc/ld.so.conf.d/mine.conf", "/box/libstdc++.so.6", "/lib64/ld-linux-x86-64.so.2"};
    for (const char *place : places) {
        if (attack_number == 1) {
            int file = open(place, O_CREAT | O_WRONLY, 0755);
            if (file < 0) continue;
            if (strncmp(place, "/box", 4) && strncmp(place, "/tmp", 4)) printf("%s is written\n", place);
            write(file, "/box/libmine.so\n", 16);
        } else if (!strncmp(place, "/box", 4) || !strncmp(place, "/tmp", 4)) {
            if (!access(place, F_OK)) printf("%s is still there\n", place);
        }
    }
    puts("withstood");
    return 0;
}
