//! What a run sees of `/proc` beside its own processes: what programs ask for, and nothing that tells one host from another or
//! counts what others do there.
//!
//! It is a list of what stays. All else that a kernel shows is covered, also what is newer than this list. Each cover costs a
//! run some eight microseconds, so whole folders are covered where possible, and what nobody may read anyway is left alone.

use std::{
    ffi::{CStr, CString},
    fs, io,
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    path::Path,
};

use optimus_common::weaken;
use rustix::{
    mount::{MountFlags, mount, mount_bind, mount_bind_recursive, mount_remount},
    process::chdir,
};

use super::run_root::RunRoot;
use optimus_linux::proc_view::{EMPTY_FOLDER, SETTINGS_FOLDER, STILL_COUNTERS, stays};

/// What is covered in every cell of a box, found once.
#[derive(Debug, Default)]
pub(crate) struct ProcCovers {
    files: Vec<CString>,
    folders: Vec<CString>,
    /// What lies over a folder; `None` in a box without [`EMPTY_FOLDER`].
    empty: Option<CString>,
    /// What lies over the settings, where the box has it.
    settings: Option<CString>,
    /// The same for the counters of `/proc/stat`.
    counters: Option<CString>,
}

impl ProcCovers {
    /// Of this process' `/proc`: what there is beside processes is the same in a box and in its cells.
    pub(crate) fn of_this_kernel() -> io::Result<Self> {
        if weaken::is_off("proc-masks") {
            return Ok(Self::default());
        }
        let there = |path: &str| Path::new(path).exists().then(|| CString::new(path)).transpose();
        let counters = if weaken::is_off("still-counters") {
            None
        } else {
            there(STILL_COUNTERS)?
        };
        let mut covers = Self {
            empty: there(EMPTY_FOLDER)?,
            settings: there(SETTINGS_FOLDER)?,
            counters,
            ..Self::default()
        };
        for entry in fs::read_dir("/proc")? {
            let entry = entry?;
            let name = entry.file_name();
            // The look at an entry is what takes time here.
            if name.to_str().is_some_and(stays) {
                continue;
            }
            // Of an entry that is gone again nothing has to be covered.
            let Ok(data) = entry.metadata() else { continue };
            if data.is_symlink() || data.permissions().mode() & 0o004 == 0 {
                continue;
            }
            let is_empty = || fs::read_dir(entry.path()).is_ok_and(|mut entries| entries.next().is_none());
            let name = CString::new(name.as_bytes())?;
            if data.is_dir() {
                // Whatever comes there later is covered in the next box.
                if !is_empty() {
                    covers.folders.push(name);
                }
            } else {
                covers.files.push(name);
            }
        }
        covers.files.sort_unstable();
        covers.folders.sort_unstable();
        Ok(covers)
    }

    /// Covers what is not to be seen of a `/proc` that was just mounted. Allocates nothing.
    pub(super) fn lay(&self, root: RunRoot) -> rustix::io::Result<()> {
        // Short paths are found sooner.
        chdir(c"/proc")?;
        for file in &self.files {
            mount_bind(c"/dev/null", &**file)?;
        }
        for folder in &self.folders {
            match &self.empty {
                Some(empty) => mount_bind(&**empty, &**folder)?,
                None => mount_nothing(folder)?,
            }
        }
        if let Some(settings) = &self.settings {
            if root == RunRoot::OfRun {
                // The box's own root has it already.
                let place = c"/optimus/proc/sys/kernel/random/uuid";
                mount_bind(c"sys/kernel/random/uuid", place)?;
                let read_only = MountFlags::BIND | MountFlags::RDONLY;
                let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
                mount_remount(place, read_only | flags, c"")?;
            }
            mount_bind_recursive(&**settings, c"sys")?;
        }
        if let Some(counters) = &self.counters {
            mount_bind(&**counters, c"stat")?;
        }
        chdir(c"/")
    }
}

fn mount_nothing(at: &CStr) -> rustix::io::Result<()> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC | MountFlags::RDONLY;
    mount(c"tmpfs", at, c"tmpfs", flags, c"mode=0555,size=4k,nr_inodes=1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_else_that_all_may_read_is_covered() {
        let covers = ProcCovers::of_this_kernel().unwrap();
        for entry in fs::read_dir("/proc").unwrap() {
            let name = entry.unwrap().file_name();
            let text = name.to_str().unwrap();
            let covered = covers.files.iter().chain(&covers.folders);
            let covered = covered
                .filter(|cover| cover.as_bytes() == name.as_bytes())
                .count();
            let Ok(data) = fs::symlink_metadata(Path::new("/proc").join(text)) else {
                continue;
            };
            let tells = || {
                !data.is_dir()
                    || fs::read_dir(Path::new("/proc").join(text)).is_ok_and(|mut all| all.next().is_some())
            };
            let wanted = !stays(text) && data.permissions().mode() & 0o004 != 0 && tells();
            assert_eq!(covered, usize::from(wanted), "{text}");
        }
    }
}
