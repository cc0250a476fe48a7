#include "hostile.h"

int attack(void) {
    const char *places[] = {"/box", "/tmp", "/dev/shm"};
    for (int i = 0; i < 3; i++) {
        if (chdir(places[i])) return 1;
        for (int depth = 0; depth < 1000; depth++) if (mkdir("deep", 0700) || chdir("deep")) return 2;
        symlink("../../../../../../..", "up");
    }
    puts("withstood");
    return 0;
}
