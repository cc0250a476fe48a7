#include "hostile.h"
#include "refused.h"
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

int attack(void) {
    mkdir("/tmp/x", 0777);
    unknown("mount of a tmpfs", mount("none", "/tmp/x", "tmpfs", 0, 0));
    unknown("mount of /proc", mount("proc", "/tmp/x", "proc", 0, 0));
    unknown("bind mount", mount("/", "/tmp/x", 0, MS_BIND | MS_REC, 0));
    unknown("remount", mount(0, "/", 0, MS_REMOUNT | MS_BIND, 0));
    unknown("umount", umount2("/proc", MNT_DETACH));
    unknown("pivot_root", syscall(SYS_pivot_root, "/tmp/x", "/tmp/x"));
    unknown("chroot", chroot("/tmp/x"));
    unknown("open_tree", syscall(SYS_open_tree, AT_FDCWD, "/", 0));
    unknown("fsopen", syscall(SYS_fsopen, "tmpfs", 0));
    unknown("fspick", syscall(SYS_fspick, AT_FDCWD, "/", 0));
    unknown("move_mount", syscall(SYS_move_mount, AT_FDCWD, "/tmp", AT_FDCWD, "/tmp/x", 0));
    unknown("mount_setattr", syscall(SYS_mount_setattr, AT_FDCWD, "/", 0, 0, 0));
    rmdir("/tmp/x");
    return verdict();
}
