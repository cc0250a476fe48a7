#include "hostile.h"
#include "refused.h"

int attack(void) {
    unknown("reboot", syscall(SYS_reboot, 0, 0, 0, 0));
    unknown("swapon", syscall(SYS_swapon, "/tmp/none", 0));
    unknown("swapoff", syscall(SYS_swapoff, "/tmp/none"));
    unknown("sethostname", syscall(SYS_sethostname, "guest", 5));
    unknown("setdomainname", syscall(SYS_setdomainname, "guest", 5));
    unknown("syslog", syscall(SYS_syslog, 3, "", 0));
    unknown("acct", syscall(SYS_acct, "/tmp/none"));
    unknown("quotactl", syscall(SYS_quotactl, 0, 0, 0, 0));
    unknown("vhangup", syscall(SYS_vhangup));
    unknown("sync", syscall(SYS_sync));
    unknown("move_pages", syscall(SYS_move_pages, 0, 0, 0, 0, 0, 0));
    unknown("migrate_pages", syscall(SYS_migrate_pages, 0, 0, 0, 0));
    unknown("rt_tgsigqueueinfo's kin, pidfd_getfd", syscall(SYS_pidfd_getfd, -1, 0, 0));
    return verdict();
}
