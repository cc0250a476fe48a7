//! What boxes see of the host, looked up while this process still sees the host.

use std::{
    fs, io,
    os::{
        fd::OwnedFd,
        unix::fs::{PermissionsExt, lchown},
    },
    path::{Path, PathBuf},
};

use rustix::{
    fs::CWD,
    mount::{OpenTreeFlags, open_tree},
};

use super::failure::Failure;
use crate::native::roots::HostPath;

/// Files up to this size are copied, so that boxes share no inode of them: a lock on one would be seen by all.
const LARGEST_COPY: u64 = 4 << 20;

#[derive(Debug)]
pub(super) struct Shown {
    /// Absolute.
    pub(super) inside: PathBuf,
    pub(super) content: Content,
}

#[derive(Debug)]
pub(super) enum Content {
    /// With what is mounted below it, attached to nothing yet.
    Folder(OwnedFd),
    Link(PathBuf),
    SmallFile {
        bytes: Vec<u8>,
        mode: u32,
    },
    LargeFile(OwnedFd),
}

/// Looks all paths up. Those that do not exist are left out.
pub(super) fn look_up(paths: &[HostPath]) -> Result<Vec<Shown>, Failure> {
    let mut shown = Vec::with_capacity(paths.len());
    for path in paths {
        if !path.inside.is_absolute() || path.inside.components().any(|part| part.as_os_str() == "..") {
            return Err(Failure::new(format!(
                "{} is no place in a box",
                path.inside.display()
            )));
        }
        let content = Content::of(&path.host)
            .map_err(Failure::at(format_args!("show {} to boxes", path.host.display())))?;
        shown.extend(content.map(|content| Shown {
            inside: path.inside.clone(),
            content,
        }));
    }
    Ok(shown)
}

impl Content {
    fn of(path: &Path) -> io::Result<Option<Self>> {
        let data = match fs::symlink_metadata(path) {
            Ok(data) => data,
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let kind = data.file_type();
        Ok(Some(if kind.is_symlink() {
            Self::Link(fs::read_link(path)?)
        } else if kind.is_dir() {
            Self::Folder(open(path)?)
        } else if !kind.is_file() {
            return Err(io::Error::other("it is neither a file nor a folder"));
        } else if data.len() <= LARGEST_COPY {
            Self::SmallFile {
                bytes: fs::read(path)?,
                mode: data.permissions().mode() & 0o555,
            }
        } else {
            Self::LargeFile(open(path)?)
        }))
    }
}

/// A copy of the tree of mounts at this path.
pub(super) fn open(path: &Path) -> io::Result<OwnedFd> {
    let flags =
        OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::AT_RECURSIVE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    Ok(open_tree(CWD, path, flags)?)
}

/// Changes the owner of a folder and of everything in it; of links themselves, never of what they lead to.
pub(super) fn chown_tree(path: &Path, uid: u32) -> io::Result<()> {
    lchown(path, Some(uid), Some(uid))?;
    if fs::symlink_metadata(path)?.is_dir() {
        for entry in fs::read_dir(path)? {
            chown_tree(&entry?.path(), uid)?;
        }
    }
    Ok(())
}
