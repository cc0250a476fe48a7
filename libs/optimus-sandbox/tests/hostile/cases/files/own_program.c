#include "hostile.h"

int attack(void) {
    if (!chmod("/box/main", 0777)) puts("its mode is another");
    if (open("/box/main", O_WRONLY) >= 0) puts("it is open to be written");
    if (open("/proc/self/exe", O_RDWR) >= 0) puts("it is open by its link");
    if (!truncate("/box/main", 0)) puts("it is empty");
    if (!rename("/box/main", "/box/other")) puts("it is elsewhere");
    if (!chown("/box/main", getuid(), getgid())) puts("it is mine");
    if (!chmod("/box", 0777)) puts("the folder's mode is another");
    int folder = open("/box", O_RDONLY | O_DIRECTORY);
    if (!unlinkat(folder, "main", 0)) puts("it is removed");
    if (!renameat(folder, "hostile.h", folder, "main")) puts("it is the header");
    puts("withstood");
    return 0;
}
