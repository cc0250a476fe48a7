#include "hostile.h"

int attack(void) {
    const char *places[] = {"/box", "/tmp", "/dev/shm"};
    for (int i = 0; i < 9; i++) {
        if (fork()) continue;
        setsid();
        if (chdir(places[i % 3])) _exit(1);
        for (;;) {
            mkdir("a", 0700);
            close(open("a/file", O_CREAT | O_WRONLY, 0600));
            symlink("/", "b");
            syscall(SYS_renameat2, AT_FDCWD, "a", AT_FDCWD, "b", 2);
            rename("b", "c");
            usleep(500);
        }
    }
    usleep(20000);
    puts("withstood");
    return 0;
}
