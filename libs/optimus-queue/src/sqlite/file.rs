//! The database file: where it is, whose it is, and how much room there is around it.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
    process,
};

use crate::StoreError;

/// A database that is this process' own as long as this lives.
#[derive(Debug)]
pub(super) struct DatabaseFile {
    path: PathBuf,
    /// Both locked. The system unlocks them when they are closed, also by a crash. The one beside the database tells who its
    /// owner is; the database itself is one file by whichever names and paths it is reached. SQLite's own locks are of
    /// another kind.
    _locks: [File; 2],
}

impl DatabaseFile {
    /// Makes the folder and the file where they are missing, for this user alone.
    pub(super) fn own(path: &Path) -> Result<Self, StoreError> {
        let misplaced = |error: io::Error| {
            if error.kind() == io::ErrorKind::StorageFull {
                StoreError::Unavailable(error.into())
            } else {
                StoreError::Misconfigured(format!("cannot use the database {}: {error}", path.display()))
            }
        };
        let path = create(path).map_err(misplaced)?;
        let mut lock_path = OsString::from(&path);
        lock_path.push(".lock");
        let mut beside = open_lock(&lock_path)?;
        let lock = |file: &File| match file.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(misplaced(error)),
        };
        if !lock(&beside)? {
            return Err(taken(&path, beside));
        }
        let database = private(path.as_os_str(), Links::Followed).map_err(misplaced)?;
        if !lock(&database)? {
            return Err(StoreError::Misconfigured(format!(
                "the database {} is in use under another name or path, with which it shares its contents; stop the \
                 process that uses it, or use another data directory",
                path.display()
            )));
        }
        // Only told to whoever comes second; the locks themselves are what counts.
        let _ = beside
            .set_len(0)
            .and_then(|()| beside.rewind())
            .and_then(|()| write!(beside, "{}", process::id()));
        Ok(Self {
            path,
            _locks: [beside, database],
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes the file system has left for us; `None` where it does not tell.
    #[cfg(unix)]
    pub(super) fn free_bytes(&self) -> Option<u64> {
        let numbers = rustix::fs::statvfs(&self.path).ok()?;
        Some(numbers.f_bavail.saturating_mul(numbers.f_frsize))
    }

    #[cfg(not(unix))]
    #[expect(clippy::unused_self, reason = "as on Unix")]
    pub(super) fn free_bytes(&self) -> Option<u64> {
        None
    }
}

/// The one name of this file, whichever links lead to it; it is empty where it was not there.
fn create(path: &Path) -> io::Result<PathBuf> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(folder)?;
    }
    private(path.as_os_str(), Links::Followed)?;
    let path = fs::canonicalize(path)?;
    // A file is only as safe as the names that lead to it; SQLite looks after what is in it. A folder that may not be
    // listed was there before.
    #[cfg(unix)]
    for folder in path.ancestors().skip(1).take(2) {
        if let Ok(folder) = File::open(folder) {
            folder.sync_all()?;
        }
    }
    Ok(path)
}

/// The file beside the database, which is written to. In a folder that others may write to it could be a link to a file of
/// somebody else's.
fn open_lock(path: &OsStr) -> Result<File, StoreError> {
    let shown = Path::new(path).display();
    let refused = |why: String| StoreError::Misconfigured(format!("cannot lock the database: {shown} {why}"));
    let file = private(path, Links::Refused).map_err(|error| {
        if fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink()) {
            refused("is a symbolic link; remove it".to_owned())
        } else {
            refused(format!("cannot be opened: {error}"))
        }
    })?;
    let found = file.metadata().map_err(|error| refused(error.to_string()))?;
    if !found.is_file() {
        return Err(refused("is no regular file; remove it".to_owned()));
    }
    #[cfg(unix)]
    if std::os::unix::fs::MetadataExt::nlink(&found) != 1 {
        return Err(refused(
            "is a file that has other names as well; remove it".to_owned(),
        ));
    }
    Ok(file)
}

/// What is done with a symbolic link in a file's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Links {
    Followed,
    Refused,
}

/// Opens a file that only this user may read, as SQLite's own files beside it will be.
fn private(path: &OsStr, links: Links) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
        if links == Links::Refused {
            // Nor is a pipe waited for.
            let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
            options.custom_flags(flags.bits().cast_signed());
        }
    }
    #[cfg(not(unix))]
    let _ = links;
    options.open(path)
}

fn taken(path: &Path, mut lock: File) -> StoreError {
    let mut owner = String::new();
    let owner = match lock.read_to_string(&mut owner) {
        Ok(length) if length > 0 => format!("process {owner}"),
        _ => "another process".to_owned(),
    };
    StoreError::Misconfigured(format!(
        "the database {} is in use by {owner}; stop that first, or use another data directory",
        path.display()
    ))
}
