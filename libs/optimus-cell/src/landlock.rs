//! Landlock: a second layer below the mounts, which says once more where a guest may write.
//!
//! Executing is not restricted, and reading only of what cannot be left out of a container, see [`Reading`]: what else a
//! guest must not see is not mounted. Network is left to the network namespace, since loopback must work. Where the
//! kernel offers it, signals and abstract Unix sockets reach no process outside the guest's own tree.

mod reading;

use std::{ffi::CStr, os::fd::OwnedFd};

use rustix::{
    fs::{Mode, OFlags, open},
    io::Errno,
};

pub(crate) use self::reading::Reading;
use optimus_common::box_layout::c_paths::WRITABLE_DIRS;
use optimus_linux::landlock::{
    CHANGE_FOLDER, IOCTL_DEVICE, MAKE_DEVICE, REFER, RulesetAttributes, SCOPES, TRUNCATE, WRITE_FILE, allow,
    create, restrict, version,
};

/// Devices that do nothing to anybody.
const DEVICES: [&CStr; 5] = [
    c"/dev/null",
    c"/dev/zero",
    c"/dev/full",
    c"/dev/random",
    c"/dev/urandom",
];

/// The rules, as far as this kernel knows them.
///
/// The first version refuses every move between folders, which then fails as one between file systems does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ruleset {
    handled: u64,
    scoped: u64,
    /// Kernels refuse a structure that is longer than they know, unless the rest is zero.
    size: usize,
}

impl Ruleset {
    /// `None` where the kernel has no Landlock, or a filter above this process hides it.
    pub(crate) fn of_this_kernel() -> Option<Self> {
        version().map(Self::of_version)
    }

    fn of_version(version: i64) -> Self {
        let since = |first, access| if version >= first { access } else { 0 };
        Self {
            handled: WRITE_FILE
                | CHANGE_FOLDER
                | since(2, REFER)
                | since(3, TRUNCATE)
                | since(5, IOCTL_DEVICE),
            scoped: since(6, SCOPES),
            size: match version {
                ..4 => 8,
                4..6 => 16,
                _ => 24,
            },
        }
    }

    /// Restricts this process and all its future children, for good. It must have promised to gain no privileges.
    pub(crate) fn enforce(&self) -> rustix::io::Result<()> {
        let attributes = RulesetAttributes {
            handled_access_fs: self.handled,
            handled_access_net: 0,
            scoped: self.scoped,
        };
        let ruleset = create(&attributes, self.size)?;
        for folder in WRITABLE_DIRS {
            self.allow(&ruleset, folder, self.handled & !MAKE_DEVICE & !IOCTL_DEVICE)?;
        }
        for device in DEVICES {
            match self.allow(&ruleset, device, WRITE_FILE | TRUNCATE | IOCTL_DEVICE) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(errno) => return Err(errno),
            }
        }
        restrict(&ruleset)
    }

    fn allow(&self, ruleset: &OwnedFd, path: &CStr, access: u64) -> rustix::io::Result<()> {
        let parent = open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
        allow(ruleset, &parent, access & self.handled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_is_asked_only_for_what_it_knows() {
        let bits = |version| Ruleset::of_version(version).handled;
        assert_eq!(bits(1), 0x1ff2);
        assert_eq!(bits(2), 0x3ff2);
        assert_eq!(bits(3), 0x7ff2);
        assert_eq!(bits(5), 0xfff2);
        let of = |version| Ruleset::of_version(version);
        assert_eq!((of(3).size, of(4).size, of(5).size, of(6).size), (8, 16, 16, 24));
        assert_eq!((of(5).scoped, of(9).scoped), (0, 3));
        assert_eq!(
            bits(9),
            bits(5),
            "what a newer kernel knows beside is not asked for"
        );
    }
}
