//! Landlock's system calls. They are made directly: between `fork` and `exec` nothing may allocate.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use crate::process::last_errno;

// From the kernel's `linux/landlock.h`.
const GIVE_VERSION: u32 = 1;
const RULE_PATH_BENEATH: u32 = 1;
pub const WRITE_FILE: u64 = 1 << 1;
pub const READ_FILE: u64 = 1 << 2;
/// Removing and making entries of every kind; made devices too.
pub const CHANGE_FOLDER: u64 = 0x1ff0;
pub const MAKE_DEVICE: u64 = 1 << 6 | 1 << 11;
/// Moving and linking from one folder to another. Version 2.
pub const REFER: u64 = 1 << 13;
/// Version 3.
pub const TRUNCATE: u64 = 1 << 14;
/// Version 5.
pub const IOCTL_DEVICE: u64 = 1 << 15;
/// Abstract Unix sockets and signals. Version 6.
pub const SCOPES: u64 = 1 << 0 | 1 << 1;

/// What a ruleset handles, and so forbids where no rule allows it.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct RulesetAttributes {
    pub handled_access_fs: u64,
    pub handled_access_net: u64,
    pub scoped: u64,
}

#[repr(C, packed)]
struct PathBeneath {
    allowed_access: u64,
    parent_fd: i32,
}

/// `None` where the kernel has no Landlock, or a filter above this process hides it.
pub fn version() -> Option<i64> {
    // SAFETY: asks for the version; nothing is read or written.
    let version = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, 0, 0, GIVE_VERSION) };
    (version >= 1).then_some(version)
}

/// A ruleset that forbids what it handles, as long as no rule is added.
pub fn create(attributes: &RulesetAttributes, size: usize) -> rustix::io::Result<OwnedFd> {
    // SAFETY: the structure is at least as long as told.
    let ruleset =
        unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, &raw const *attributes, size, 0) };
    let Ok(ruleset @ 0..) = i32::try_from(ruleset) else {
        return Err(last_errno());
    };
    // SAFETY: a new descriptor that nobody else has.
    Ok(unsafe { OwnedFd::from_raw_fd(ruleset) })
}

/// Allows an access to a file, or to everything below a folder.
pub fn allow(ruleset: &OwnedFd, parent: &OwnedFd, allowed_access: u64) -> rustix::io::Result<()> {
    let rule = PathBeneath {
        allowed_access,
        parent_fd: parent.as_raw_fd(),
    };
    // SAFETY: the rule is of the kind told, and the kernel only reads it.
    let outcome = unsafe {
        libc::syscall(
            libc::SYS_landlock_add_rule,
            ruleset.as_raw_fd(),
            RULE_PATH_BENEATH,
            &raw const rule,
            0,
        )
    };
    if outcome == 0 { Ok(()) } else { Err(last_errno()) }
}

/// Restricts this process and all its future children, for good.
pub fn restrict(ruleset: &OwnedFd) -> rustix::io::Result<()> {
    // SAFETY: takes a descriptor that is open.
    match unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset.as_raw_fd(), 0) } {
        0 => Ok(()),
        _ => Err(last_errno()),
    }
}
