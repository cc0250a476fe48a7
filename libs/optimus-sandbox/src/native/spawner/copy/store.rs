//! The store: each file of the host that any root shows, once.

use std::{
    ffi::OsString,
    fs::{File, Metadata, OpenOptions},
    io::{self, ErrorKind},
    os::{
        fd::OwnedFd,
        unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
    },
    path::Path,
};

use rustix::fs::{AtFlags, Mode, OFlags, Timespec, Timestamps, fchmod, futimens, linkat, openat, unlinkat};

use crate::native::spawner::failure::Failure;

/// A file of the store that is being written.
const UNFINISHED: &str = ".new";

#[derive(Debug)]
pub(super) enum Stored {
    /// It is in the store, under this name.
    Done(OsString),
    Unreadable,
    /// Not in the state that was asked for, or not any more.
    Changed,
}

/// Names one state of one file of the host.
pub(super) fn key(data: &Metadata) -> OsString {
    format!(
        "{:x}-{:x}-{:x}-{}.{}-{}.{}",
        data.dev(),
        data.ino(),
        data.len(),
        data.mtime(),
        data.mtime_nsec(),
        data.ctime(),
        data.ctime_nsec()
    )
    .into()
}

pub(super) fn time(data: &Metadata) -> Timespec {
    Timespec {
        tv_sec: data.mtime(),
        tv_nsec: data.mtime_nsec(),
    }
}

pub(super) fn times(modified: Timespec) -> Timestamps {
    Timestamps {
        last_access: modified,
        last_modification: modified,
    }
}

/// Copies a file of the host into the store.
pub(super) fn copy_into(
    store: &OwnedFd,
    host: &Path,
    key: &OsString,
    data: &Metadata,
) -> Result<Stored, Failure> {
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(host);
    let mut original = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::PermissionDenied => return Ok(Stored::Unreadable),
        // It has been removed, or a link has taken its place.
        Err(error) if is_absent(&error) || error.raw_os_error() == Some(libc::ELOOP) => {
            return Ok(Stored::Changed);
        }
        Err(error) => return Err(cannot_show(host)(error)),
    };
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC;
    let copy = openat(store, UNFINISHED, flags, Mode::RUSR | Mode::WUSR)
        .map_err(|errno| Failure::at(format_args!("copy {}", host.display()))(errno))?;
    let mut copy = File::from(copy);
    // The kernel gives large pages to what lies within a file's size.
    copy.set_len(data.len()).map_err(|error| full(host, error))?;
    let length = io::copy(&mut original, &mut copy).map_err(|error| full(host, error))?;
    let now = original.metadata().map_err(cannot_show(host))?;
    if length != data.len() || self::key(&now) != *key {
        return Ok(Stored::Changed);
    }
    let mode = Mode::from_raw_mode(data.permissions().mode() & 0o555);
    fchmod(&copy, mode)
        .and_then(|()| futimens(&copy, &times(time(data))))
        .and_then(|()| linkat(store, UNFINISHED, store, key, AtFlags::empty()))
        .and_then(|()| unlinkat(store, UNFINISHED, AtFlags::empty()))
        .map_err(Failure::at(format_args!("copy {}", host.display())))?;
    Ok(Stored::Done(key.clone()))
}

fn full(host: &Path, error: io::Error) -> Failure {
    if error.kind() == ErrorKind::StorageFull {
        return Failure::new(
            "the roots of all languages together take half of this machine's memory, and there is no room for this \
             one; serve fewer languages, or leave parts out with `host.without` of their entries",
        );
    }
    Failure::at(format_args!("copy {}", host.display()))(error)
}

pub(super) fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

pub(super) fn cannot_show(path: &Path) -> impl FnOnce(io::Error) -> Failure {
    Failure::at(format!("show {} to boxes", path.display()))
}
