//! The database file: where it is, whose it is, and how much room there is around it.

use std::{
    ffi::OsString,
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
    /// Locked. The system unlocks it when it is closed, also by a crash.
    _lock: File,
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
        let mut lock = private(&lock_path).map_err(misplaced)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(taken(&path, lock)),
            Err(TryLockError::Error(error)) => return Err(misplaced(error)),
        }
        // Only told to whoever comes second; the lock itself is what counts.
        let _ = lock
            .set_len(0)
            .and_then(|()| lock.rewind())
            .and_then(|()| write!(lock, "{}", process::id()));
        Ok(Self { path, _lock: lock })
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
    private(path.as_os_str())?;
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

/// Opens a file that only this user may read, as SQLite's own files beside it will be.
fn private(path: &std::ffi::OsStr) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
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
