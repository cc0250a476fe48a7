#include "hostile.h"
#include "refused.h"
#include <grp.h>
#include <sys/fsuid.h>

int attack(void) {
    gid_t root = 0;
    struct { unsigned version; int pid; } header = {0x20080522, 0};
    unsigned all[6] = {~0u, ~0u, ~0u, ~0u, ~0u, ~0u};
    unknown("setuid", syscall(SYS_setuid, 0));
    unknown("setgid", syscall(SYS_setgid, 0));
    unknown("setreuid", syscall(SYS_setreuid, 0, 0));
    unknown("setresuid", syscall(SYS_setresuid, 0, 0, 0));
    unknown("setresgid", syscall(SYS_setresgid, 0, 0, 0));
    unknown("setgroups", syscall(SYS_setgroups, 1, &root));
    unknown("setfsuid", syscall(SYS_setfsuid, 0));
    unknown("capset", syscall(SYS_capset, &header, all));
    unknown("setuid to itself", syscall(SYS_setuid, getuid()));
    return verdict();
}
