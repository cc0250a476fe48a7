#include "hostile.h"

int attack(void) {
    if (!unlink("/box/main")) puts("the program is gone");
    if (!rename("/box/hostile.h", "/box/main")) puts("the program is another");
    if (!symlink("/bin/sh", "/box/main")) puts("the program is a link");
    if (!mkfifo("/box/main", 0777)) puts("the program is a pipe");
    if (!mkdir("/box/main", 0777)) puts("the program is a folder");
    if (!symlink("/bin/sh", "/tmp/main") && !rename("/tmp/main", "/box/main")) puts("the program was renamed over");
    puts("withstood");
    return 0;
}
