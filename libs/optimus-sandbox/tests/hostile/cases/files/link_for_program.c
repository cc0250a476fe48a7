#include "hostile.h"

int attack(void) {
    if (!unlink("/box/.optimus/main")) puts("the program is gone");
    if (!rename("/box/hostile.h", "/box/.optimus/main")) puts("the program is another");
    if (!symlink("/bin/sh", "/box/.optimus/main")) puts("the program is a link");
    if (!mkfifo("/box/.optimus/main", 0777)) puts("the program is a pipe");
    if (!mkdir("/box/.optimus/main", 0777)) puts("the program is a folder");
    if (!symlink("/bin/sh", "/tmp/main") && !rename("/tmp/main", "/box/.optimus/main")) puts("the program was renamed over");
    puts("withstood");
    return 0;
}
