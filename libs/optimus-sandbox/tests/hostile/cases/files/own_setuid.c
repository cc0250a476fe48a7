#include "hostile.h"

int attack(void) {
    static char program[1 << 22];
    const char *places[] = {"/box", "/tmp", "/dev/shm"};
    char path[64];
    ssize_t size = read(open("/proc/self/exe", O_RDONLY), program, sizeof program);
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/copy", places[i]);
        int file = open(path, O_CREAT | O_WRONLY, 0700);
        if (write(file, program, size) != size) return 1;
        close(file);
        if (!chown(path, 0, 0) || !chown(path, 1, 1)) printf("%s is another user's\n", path);
        chmod(path, 06777);
    }
    if (!setuid(0) || !seteuid(0) || !setgid(0) || !setresuid(1, 1, 1)) puts("it is another user");
    puts("withstood");
    return 0;
}
