#include "hostile.h"
#include <linux/fs.h>
#include <sys/ioctl.h>

int attack(void) {
    const char *places[] = {"/box", "/tmp", "/dev/shm"};
    char path[64];
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/folder", places[i]);
        mkdir(path, 0700);
        int folder = open(path, O_RDONLY | O_DIRECTORY);
        snprintf(path, sizeof path, "%s/folder/file", places[i]);
        int file = open(path, O_CREAT | O_RDWR, 0600);
        int flags[] = {FS_IMMUTABLE_FL, FS_APPEND_FL, FS_NODUMP_FL | FS_NOATIME_FL};
        for (int j = 0; j < 3; j++) {
            ioctl(file, FS_IOC_SETFLAGS, &flags[j]);
            ioctl(folder, FS_IOC_SETFLAGS, &flags[j]);
        }
    }
    puts("withstood");
    return 0;
}
