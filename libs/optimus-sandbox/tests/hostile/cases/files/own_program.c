#include "hostile.h"

int attack(void) {
    if (!chmod("/box/.optimus/main", 0777)) puts("its mode is another");
    if (open("/box/.optimus/main", O_WRONLY) >= 0) puts("it is open to be written");
    if (open("/proc/self/exe", O_RDWR) >= 0) puts("it is open by its link");
    if (!truncate("/box/.optimus/main", 0)) puts("it is empty");
    if (!rename("/box/.optimus/main", "/box/other")) puts("it is elsewhere");
    if (!chown("/box/.optimus/main", getuid(), getgid())) puts("it is mine");
    if (!chmod("/box", 0777) || !chmod("/box/.optimus", 0777)) puts("the folder's mode is another");
    if (!rename("/box/.optimus", "/box/elsewhere")) puts("its folder is elsewhere");
    int folder = open("/box/.optimus", O_RDONLY | O_DIRECTORY);
    if (!unlinkat(folder, "main", 0)) puts("it is removed");
    if (!renameat(AT_FDCWD, "/box/hostile.h", folder, "main")) puts("it is the header");
    puts("withstood");
    return 0;
}
