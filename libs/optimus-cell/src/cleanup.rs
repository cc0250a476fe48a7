//! Files of a guest: removing them after a run, and making artefacts read-only after the compile step.
//!
//! Root in a box has no power over other users' files, and should not: whatever is done to a guest's files is done
//! under the guest's own UID, by trusted code in a process of its own, after every process of the guest is dead.
//! Nothing planted among the files can then reach further than the guest could. No link is ever followed.
//!
//! Runs that go on at the same time can defeat the removal only together: one opens a folder to everybody, another hides
//! a closed folder in it. Both belong to one submission, and all it gains is that its box fails.

use std::{
    collections::HashSet,
    ffi::{CStr, CString, OsString},
    fs, io,
    os::{fd::OwnedFd, unix::fs::MetadataExt},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use optimus_common::weaken;
use optimus_linux::process::close_descriptors;
use rustix::{
    fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, chmodat, openat, renameat, statat, unlinkat},
    io::Errno,
    process::{Pid, Signal, WaitOptions, set_parent_process_death_signal, waitpid},
};

use crate::{error::CellError, guest::become_guest, guest_id::GuestId, leftovers::Leftovers};

/// The folders guests may write to. They are sticky: a guest can make entries there and remove none but its own.
#[derive(Debug)]
pub(crate) struct WritableFolders {
    folders: Vec<Folder>,
}

#[derive(Debug)]
struct Folder {
    path: PathBuf,
    /// What was there before the first run, such as the program itself.
    lasting: HashSet<OsString>,
}

impl WritableFolders {
    pub(crate) fn new(paths: &[&str]) -> Result<Self, CellError> {
        let mut folders = Vec::with_capacity(paths.len());
        for path in paths {
            let path = PathBuf::from(path);
            let lasting = list(&path)?.map(|entry| entry.map(|entry| entry.file_name()));
            let lasting = lasting
                .collect::<io::Result<_>>()
                .map_err(|source| unreadable(&path, source))?;
            folders.push(Folder { path, lasting });
        }
        Ok(Self { folders })
    }

    /// Whether the guest has left anything. Files of the `others`, who may be running, are none of its business.
    pub(crate) fn leftovers(&self, guest: GuestId, others: &[GuestId]) -> Result<Leftovers, CellError> {
        let mut leftovers = Leftovers::None;
        for folder in &self.folders {
            for entry in list(&folder.path)? {
                let entry = entry.map_err(|source| unreadable(&folder.path, source))?;
                if folder.lasting.contains(&entry.file_name()) {
                    continue;
                }
                let Ok(metadata) = entry.metadata() else { continue };
                if metadata.uid() == guest.as_raw() {
                    leftovers = Leftovers::Some;
                } else if !others.iter().any(|other| metadata.uid() == other.as_raw()) {
                    // Possible only where the host lets people link to files that are not theirs.
                    let reason = format!("{} is somebody else's", entry.path().display());
                    return Err(CellError::FilesLeft { guest, reason });
                }
            }
        }
        Ok(leftovers)
    }

    /// Starts a process that removes everything of the guest's; `None` where no process can be had at the moment.
    pub(crate) fn start_removal(&self, guest: GuestId) -> Result<Option<i32>, CellError> {
        act_as(guest, || {
            self.folders
                .iter()
                .try_for_each(|folder| remove_all(&folder.path, guest.as_raw()))
        })
    }
}

fn list(path: &Path) -> Result<fs::ReadDir, CellError> {
    fs::read_dir(path).map_err(|source| unreadable(path, source))
}

fn unreadable(path: &Path, source: io::Error) -> CellError {
    CellError::File {
        operation: "list",
        path: path.to_owned(),
        source,
    }
}

/// Makes what the guest has below `root` read-only for all others: no write bits but the owner's, no set-UID bits.
///
/// Call it when no process of the guest is left.
pub fn seal_artefacts(root: &Path, guest: GuestId) -> Result<(), CellError> {
    if weaken::is_off("seal") {
        return Ok(());
    }
    let failed = |source| CellError::File {
        operation: "make read-only what is below",
        path: root.to_owned(),
        source,
    };
    let child = act_as(guest, || seal(root, guest.as_raw()))?
        .ok_or_else(|| failed(io::ErrorKind::WouldBlock.into()))?;
    let status = waitpid(Pid::from_raw(child), WaitOptions::empty()).map_err(|errno| failed(errno.into()))?;
    match status.and_then(|(_, status)| status.exit_status()) {
        Some(0) => Ok(()),
        Some(errno) => Err(failed(io::Error::from_raw_os_error(errno))),
        None => Err(failed(io::ErrorKind::Interrupted.into())),
    }
}

/// Forks a process that does some work as the guest and exits with 0, or with the number of the error.
///
/// `None` where the box has as many processes as it may.
fn act_as(guest: GuestId, work: impl FnOnce() -> rustix::io::Result<()>) -> Result<Option<i32>, CellError> {
    // SAFETY: the agent has one thread, so the child may do whatever the parent might have done.
    match unsafe { libc::fork() } {
        -1 => {
            let source = io::Error::last_os_error();
            match source.raw_os_error() {
                Some(libc::EAGAIN) => Ok(None),
                _ => Err(CellError::System {
                    operation: "fork a process that cleans up",
                    source,
                }),
            }
        }
        0 => {
            // Other runs' inputs are among them: theirs is not to end later for this.
            let outcome = close_descriptors(3..=u32::MAX)
                .and_then(|()| become_guest(guest))
                // After the change of UID, which would undo it.
                .and_then(|()| set_parent_process_death_signal(Some(Signal::KILL)))
                .and_then(|()| work());
            let code = outcome.map_or_else(Errno::raw_os_error, |()| 0);
            // SAFETY: ends the child at once, without running what the parent has registered for its own exit.
            unsafe { libc::_exit(code) }
        }
        child => Ok(Some(child)),
    }
}

fn open_folder(at: impl std::os::fd::AsFd, name: impl rustix::path::Arg) -> rustix::io::Result<OwnedFd> {
    openat(
        at,
        name,
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
    )
}

fn is_dots(name: &CStr) -> bool {
    matches!(name.to_bytes(), b"." | b"..")
}

/// Removes everything in the sticky folder `root` that belongs to `uid`.
fn remove_all(root: &Path, uid: u32) -> rustix::io::Result<()> {
    let root = open_folder(CWD, root)?;
    let mut names = FreshNames::new();
    let mut own = Vec::new();
    for entry in Dir::read_from(&root)? {
        let entry = entry?;
        if is_dots(entry.file_name()) {
            continue;
        }
        match statat(&root, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if stat.st_uid == uid => own.push(entry.file_name().to_owned()),
            Ok(_) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno),
        }
    }
    // Folders inside folders are moved up to the root one by one: no recursion, no long paths, and never more than two
    // descriptors, however deep somebody has nested them.
    while let Some(name) = own.pop() {
        match unlinkat(&root, &name, AtFlags::empty()) {
            Ok(()) => continue,
            Err(Errno::ISDIR) => {}
            Err(errno) => return Err(errno),
        }
        chmodat(&root, &name, Mode::RWXU, AtFlags::empty())?;
        let folder = open_folder(&root, &name)?;
        for entry in Dir::read_from(&folder)? {
            let entry = entry?;
            let child = entry.file_name();
            if is_dots(child) {
                continue;
            }
            match unlinkat(&folder, child, AtFlags::empty()) {
                Ok(()) => {}
                Err(Errno::ISDIR) => {
                    // Moving a folder changes its `..`, which takes the right to write to it.
                    chmodat(&folder, child, Mode::RWXU, AtFlags::empty())?;
                    let lifted = names.next();
                    renameat(&folder, child, &root, &lifted)?;
                    own.push(lifted);
                }
                Err(errno) => return Err(errno),
            }
        }
        unlinkat(&root, &name, AtFlags::REMOVEDIR)?;
    }
    Ok(())
}

/// Names that no guest has foreseen and planted.
struct FreshNames {
    stamp: u128,
    count: u64,
}

impl FreshNames {
    fn new() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            stamp: now.as_nanos(),
            count: 0,
        }
    }

    fn next(&mut self) -> CString {
        self.count += 1;
        CString::new(format!(".{:x}-{:x}", self.stamp, self.count)).expect("digits contain no NUL")
    }
}

/// Strips dangerous permissions from everything of `uid` below `root`, walking with one descriptor.
fn seal(root: &Path, uid: u32) -> rustix::io::Result<()> {
    let mut here = open_folder(CWD, root)?;
    // The folders still to visit, one list for each level down to `here`.
    let mut levels = vec![seal_entries(&here, uid)?];
    while let Some(level) = levels.last_mut() {
        if let Some(name) = level.pop() {
            here = open_folder(&here, &name)?;
            levels.push(seal_entries(&here, uid)?);
        } else {
            levels.pop();
            if !levels.is_empty() {
                here = open_folder(&here, c"..")?;
            }
        }
    }
    Ok(())
}

/// Seals the entries of one folder and returns those that are folders themselves.
fn seal_entries(folder: &OwnedFd, uid: u32) -> rustix::io::Result<Vec<CString>> {
    let mut folders = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let stat = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        if is_dots(name) || stat.st_uid != uid || kind == FileType::Symlink {
            continue;
        }
        let mode = Mode::from_raw_mode(stat.st_mode);
        let readable = Mode::RWXU | Mode::RGRP | Mode::XGRP | Mode::ROTH | Mode::XOTH;
        if kind == FileType::Directory {
            chmodat(folder, name, (mode | Mode::RWXU) & readable, AtFlags::empty())?;
            folders.push(name.to_owned());
        } else {
            chmodat(folder, name, mode & readable, AtFlags::empty())?;
        }
    }
    Ok(folders)
}
