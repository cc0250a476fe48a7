//! Tells the kernel that processes often change their control groups.
//!
//! On version 1 a process enters its groups after it was made. Unless told otherwise, the kernel makes such a move wait
//! for an RCU grace period, 8 to 20 ms, to keep `fork` and `exit` a little cheaper. The option `favordynmods` (Linux 6.0)
//! makes moves take a tenth of a millisecond. It is given with a hierarchy of our own that has no controllers and is
//! mounted nowhere: it vanishes with this process. What was told holds for the whole kernel; from Linux 6.18 on, until
//! it restarts.

use std::os::fd::{AsFd, OwnedFd};

use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_flag, fsconfig_set_string,
    fsmount, fsopen,
};

/// Keeps the hierarchy there. `None` where the kernel does not know the option, or does not let this user set it.
pub(super) fn enable() -> Option<OwnedFd> {
    let context = fsopen("cgroup", FsOpenFlags::FSOPEN_CLOEXEC).ok()?;
    fsconfig_set_flag(context.as_fd(), "none").ok()?;
    fsconfig_set_string(context.as_fd(), "name", "optimus").ok()?;
    fsconfig_set_flag(context.as_fd(), "favordynmods").ok()?;
    fsconfig_create(context.as_fd()).ok()?;
    fsmount(
        context.as_fd(),
        FsMountFlags::FSMOUNT_CLOEXEC,
        MountAttrFlags::empty(),
    )
    .ok()
}
