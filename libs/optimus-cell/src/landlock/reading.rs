//! What guests of a container read of `/sys`: the limits of their box, and nothing else.
//!
//! A container has its control groups there, since the agent measures by them. Their counters go on from one run to the
//! next, so a guest could leave notes in them. Only limits are the same in all runs.

use std::{
    fs, io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{Mode, OFlags, open},
    io::Errno,
};

use optimus_linux::landlock::{READ_FILE, RulesetAttributes, allow, create, restrict, version};

const SYS: &str = "/sys";
const GROUPS: &str = "/sys/fs/cgroup";

/// The length of the structure that every version takes.
const SIZE_OF_FIRST: usize = 8;

/// Files of a control group that stay: what runtimes look up to know how much they may use, by both versions. Nothing that
/// a program does changes them.
const SHOWN_LIMITS: [&str; 17] = [
    "cgroup.controllers",
    "cpu.cfs_period_us",
    "cpu.cfs_quota_us",
    "cpu.max",
    "cpu.shares",
    "cpu.weight",
    "cpuset.cpus",
    "cpuset.cpus.effective",
    "cpuset.effective_cpus",
    "memory.high",
    "memory.limit_in_bytes",
    "memory.max",
    "memory.memsw.limit_in_bytes",
    "memory.soft_limit_in_bytes",
    "memory.swap.max",
    "memory.use_hierarchy",
    "pids.max",
];

/// A ruleset that lets guests open for reading whatever is not below `/sys`, and there a list of limits. Names of what is
/// there can still be listed: a rule for the root, without which its own entries could not be, would hold below it too.
///
/// It is made once, by the agent, and takes a guest one system call.
#[derive(Debug)]
pub(crate) struct Reading(OwnedFd);

impl Reading {
    /// `None` where there is no `/sys`, or the kernel has no Landlock.
    pub(crate) fn of_this_box() -> io::Result<Option<Self>> {
        if version().is_none() || !Path::new(SYS).is_dir() {
            return Ok(None);
        }
        let attributes = RulesetAttributes {
            handled_access_fs: READ_FILE,
            handled_access_net: 0,
            scoped: 0,
        };
        let ruleset = create(&attributes, SIZE_OF_FIRST)?;
        for entry in fs::read_dir("/")? {
            let path = entry?.path();
            if path != Path::new(SYS) {
                may_be_read(&ruleset, &path)?;
            }
        }
        for limit in limits()? {
            may_be_read(&ruleset, &limit)?;
        }
        Ok(Some(Self(ruleset)))
    }

    /// Restricts this process and all its future children, for good. It must have promised to gain no privileges.
    pub(crate) fn enforce(&self) -> rustix::io::Result<()> {
        restrict(&self.0)
    }
}

/// Adds a rule for this path. A link is not followed: what it leads to lies below another entry of the root, which has a rule of
/// its own.
fn may_be_read(ruleset: &OwnedFd, path: &Path) -> io::Result<()> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match open(path, flags, Mode::empty()) {
        Ok(opened) => Ok(allow(ruleset, &opened, READ_FILE)?),
        Err(Errno::NOENT | Errno::ACCESS) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// Of the box's own group: one folder in version 2, one for each controller in version 1.
fn limits() -> io::Result<Vec<PathBuf>> {
    let mut folders = vec![PathBuf::from(GROUPS)];
    match fs::read_dir(GROUPS) {
        Ok(entries) => {
            for entry in entries {
                let entry = entry?;
                if entry.file_type()?.is_dir() {
                    folders.push(entry.path());
                }
            }
        }
        // An engine may show none of it.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied
            ) => {}
        Err(error) => return Err(error),
    }
    let named = |folder: PathBuf| SHOWN_LIMITS.map(|name| folder.join(name));
    Ok(folders.into_iter().flat_map(named).collect())
}
