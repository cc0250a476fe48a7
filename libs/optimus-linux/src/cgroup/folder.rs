//! The folder of a control group, and the files in it.

use std::{
    ffi::CStr,
    io,
    os::fd::{AsFd, OwnedFd},
};

use rustix::{
    fs::{Mode, OFlags, openat},
    io::Errno,
};

pub(super) fn open_folder(at: impl AsFd, name: impl rustix::path::Arg) -> rustix::io::Result<OwnedFd> {
    openat(
        at,
        name,
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
    )
}

pub(super) fn read(folder: impl AsFd, file: &CStr) -> io::Result<String> {
    let file = openat(folder, file, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    io::read_to_string(std::fs::File::from(file))
}

pub(super) fn write(folder: impl AsFd, file: &CStr, text: &[u8]) -> io::Result<()> {
    write_bytes(folder, file, text).map_err(io::Error::from)
}

/// Allocates nothing.
pub(super) fn write_bytes(folder: impl AsFd, file: &CStr, text: &[u8]) -> rustix::io::Result<()> {
    let file = openat(folder, file, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    match rustix::io::write(&file, text)? {
        written if written == text.len() => Ok(()),
        _ => Err(Errno::IO),
    }
}
