//! What is done to a group and to all groups below it.

use std::{
    ffi::{CStr, CString},
    io,
    os::fd::{AsFd, BorrowedFd},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    fs::{AtFlags, Dir, FileType, unlinkat},
    io::Errno,
    process::{Pid, Signal, kill_process},
};

use super::folder::{open_folder, read, write};
use crate::process::LONGEST_DYING;

/// Whether a group is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    Done,
    /// Processes are in it, or were until a moment ago.
    Busy,
}

/// Names of the groups right below this one.
pub(super) fn subgroups(folder: BorrowedFd<'_>) -> io::Result<Vec<CString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        if entry.file_type() == FileType::Directory && !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            names.push(entry.file_name().to_owned());
        }
    }
    Ok(names)
}

pub(super) fn remove(parent: BorrowedFd<'_>, name: &CStr) -> io::Result<Removal> {
    if let Some(outcome) = remove_folder(parent, name)? {
        return Ok(outcome);
    }
    let folder = match open_folder(parent, name) {
        Ok(folder) => folder,
        Err(Errno::NOENT) => return Ok(Removal::Done),
        Err(errno) => return Err(errno.into()),
    };
    for below in subgroups(folder.as_fd())? {
        remove(folder.as_fd(), &below)?;
    }
    Ok(remove_folder(parent, name)?.unwrap_or(Removal::Busy))
}

/// `None` where the group is busy, perhaps only with groups below it.
fn remove_folder(parent: BorrowedFd<'_>, name: &CStr) -> io::Result<Option<Removal>> {
    match unlinkat(parent, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => Ok(Some(Removal::Done)),
        // Folders of a plain file system, as in tests, are told to be full.
        Err(Errno::BUSY | Errno::NOTEMPTY) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

pub(super) fn processes(folder: BorrowedFd<'_>) -> io::Result<Vec<i32>> {
    let list = read(folder, c"cgroup.procs")?;
    Ok(list.lines().filter_map(|line| line.parse().ok()).collect())
}

/// Kills until nobody is left, here and below.
pub(super) fn kill(folder: BorrowedFd<'_>) -> io::Result<()> {
    // Where the hierarchy counts processes: none can be added, so no pass is in vain.
    let _ = write(folder, c"pids.max", b"0");
    let deadline = Instant::now() + LONGEST_DYING;
    loop {
        let mut alive = 0_u32;
        for pid in processes(folder)?.into_iter().filter_map(Pid::from_raw) {
            alive += 1;
            match kill_process(pid, Signal::KILL) {
                Ok(()) | Err(Errno::SRCH) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        if alive == 0 {
            break;
        }
        if Instant::now() > deadline {
            return Err(io::ErrorKind::TimedOut.into());
        }
        // There is nothing to wait for: only a parent is told of a death.
        thread::sleep(Duration::from_micros(200));
    }
    for below in subgroups(folder)? {
        kill(open_folder(folder, &*below)?.as_fd())?;
    }
    Ok(())
}
