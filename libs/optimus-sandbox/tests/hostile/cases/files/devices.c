#include "hostile.h"
#include <sys/sysmacros.h>

int attack(void) {
    struct { const char *name; int major, minor; mode_t kind; } nodes[] = {
        {"mem", 1, 1, S_IFCHR}, {"kmsg", 1, 11, S_IFCHR}, {"sda", 8, 0, S_IFBLK}, {"vda", 254, 0, S_IFBLK},
        {"loop0", 7, 0, S_IFBLK}, {"tty", 5, 0, S_IFCHR}, {"fuse", 10, 229, S_IFCHR}, {"kvm", 10, 232, S_IFCHR},
    };
    const char *places[] = {"/box", "/tmp", "/dev/shm", "/dev"};
    char path[64];
    for (int i = 0; i < 4; i++) {
        for (size_t j = 0; j < sizeof nodes / sizeof *nodes; j++) {
            snprintf(path, sizeof path, "%s/my-%s", places[i], nodes[j].name);
            if (!mknod(path, nodes[j].kind | 0666, makedev(nodes[j].major, nodes[j].minor))) printf("%s is made\n", path);
            snprintf(path, sizeof path, "/dev/%s", nodes[j].name);
            int file = open(path, O_RDWR);
            if (file >= 0 && strcmp(nodes[j].name, "tty")) printf("%s is open\n", path);
        }
    }
    puts("withstood");
    return 0;
}
