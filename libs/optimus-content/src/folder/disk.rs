//! The files of the store.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use optimus_common::{JobId, content::Digest};
use uuid::Uuid;

use crate::removal::Entry;

/// A file that is still being written changes again long before this.
const ABANDONED: Duration = Duration::from_hours(1);

/// What content counts for: files take whole blocks, and a name.
pub(super) fn charge(bytes: u64) -> u64 {
    const BLOCK: u64 = 4096;
    bytes.max(1).next_multiple_of(BLOCK)
}

#[derive(Debug)]
pub(super) struct Disk {
    root: PathBuf,
}

/// A job that holds content.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hold {
    pub(super) job: JobId,
    pub(super) since: SystemTime,
}

/// `None` where there is no such file.
fn there<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Of nobody else's business.
fn make_folder(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
        .create(path)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

/// So that a name is still there after a loss of power.
fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(unix) {
        File::open(path)?.sync_all()
    } else {
        Ok(())
    }
}

impl Disk {
    pub(super) fn open(root: PathBuf) -> io::Result<Self> {
        let disk = Self { root };
        for folder in ["kept", "holds", "incoming"] {
            make_folder(&disk.root.join(folder))?;
        }
        for first in 0..=u8::MAX {
            make_folder(&disk.kept().join(format!("{first:02x}")))?;
        }
        sync_folder(&disk.kept())?;
        sync_folder(&disk.root)?;
        disk.lock_file()?;
        Ok(disk)
    }

    pub(super) fn path(&self) -> &Path {
        &self.root
    }

    fn kept(&self) -> PathBuf {
        self.root.join("kept")
    }

    fn file_of(&self, digest: Digest) -> PathBuf {
        let name = digest.to_string();
        self.kept().join(&name[..2]).join(name)
    }

    fn hold_of(&self, job: JobId) -> PathBuf {
        self.root.join("holds").join(job.to_string())
    }

    /// Opened anew by everyone who locks it: locks belong to what was opened.
    fn lock_file(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        options.open(self.root.join("lock"))
    }

    fn exclusively<T>(&self, work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let file = self.lock_file()?;
        file.lock()?;
        work()
    }

    /// A file for what comes.
    pub(super) fn new_file(&self) -> io::Result<(PathBuf, File)> {
        let path = self.root.join("incoming").join(Uuid::now_v7().to_string());
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path)?;
        Ok((path, file))
    }

    /// Shows what was written and synced to all. False where there was such content already; then nothing is moved.
    pub(super) fn show(&self, written: &Path, digest: Digest) -> io::Result<bool> {
        let path = self.file_of(digest);
        let is_new = self.exclusively(|| {
            if there(fs::metadata(&path))?.is_some() {
                touch(&path)?;
                return Ok(false);
            }
            fs::rename(written, &path)?;
            Ok(true)
        })?;
        // Also where another one has shown it: its name may not be on the disk yet.
        sync_folder(path.parent().unwrap_or(&self.root))?;
        Ok(is_new)
    }

    pub(super) fn read(&self, digest: Digest) -> io::Result<Option<(File, u64)>> {
        let Some(file) = there(File::open(self.file_of(digest)))? else {
            return Ok(None);
        };
        let size = file.metadata()?.len();
        Ok(Some((file, size)))
    }

    pub(super) fn renew(&self, digests: &[Digest]) -> io::Result<Vec<Option<u64>>> {
        let lock = self.lock_file()?;
        lock.lock_shared()?;
        digests
            .iter()
            .map(|digest| there(touch(&self.file_of(*digest))))
            .collect()
    }

    /// Notes what a job holds, so that it is not forgotten at a loss of power either.
    pub(super) fn hold(&self, job: JobId, digests: &[Digest]) -> io::Result<()> {
        let (written, mut file) = self.new_file()?;
        let text: String = digests
            .iter()
            .flat_map(|digest| [digest.to_string(), "\n".to_owned()])
            .collect();
        let noted = file
            .write_all(text.as_bytes())
            .and_then(|()| file.sync_all())
            .and_then(|()| fs::rename(&written, self.hold_of(job)));
        if let Err(error) = noted {
            // What is left of it goes at an upkeep, where it cannot be removed now.
            let _ = fs::remove_file(&written);
            return Err(error);
        }
        sync_folder(&self.root.join("holds"))
    }

    pub(super) fn release(&self, job: JobId) -> io::Result<()> {
        there(fs::remove_file(self.hold_of(job))).map(|_| ())
    }

    pub(super) fn holds(&self) -> io::Result<Vec<Hold>> {
        let mut holds = Vec::new();
        for entry in fs::read_dir(self.root.join("holds"))? {
            let entry = entry?;
            let job = entry.file_name().to_str().and_then(|name| name.parse().ok());
            let (Some(job), Some(metadata)) = (job, there(entry.metadata())?) else {
                continue;
            };
            let since = metadata.modified()?;
            holds.push(Hold { job, since });
        }
        Ok(holds)
    }

    /// Nothing where the job holds nothing any more.
    pub(super) fn held_by(&self, job: JobId) -> io::Result<Vec<Digest>> {
        let text = there(fs::read_to_string(self.hold_of(job)))?.unwrap_or_default();
        let digest = |line: &str| line.parse().map_err(io::Error::other);
        text.lines().map(digest).collect()
    }

    pub(super) fn entries(&self) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for folder in fs::read_dir(self.kept())? {
            for entry in fs::read_dir(folder?.path())? {
                let entry = entry?;
                let digest = entry.file_name().to_str().and_then(|name| name.parse().ok());
                let (Some(digest), Some(metadata)) = (digest, there(entry.metadata())?) else {
                    continue;
                };
                entries.push(Entry {
                    digest,
                    bytes: charge(metadata.len()),
                    used: metadata.modified()?,
                });
            }
        }
        Ok(entries)
    }

    /// Removes what was not used since it was listed.
    pub(super) fn remove_unused(&self, listed: &Entry) -> io::Result<bool> {
        let path = self.file_of(listed.digest);
        self.exclusively(|| {
            let Some(metadata) = there(fs::metadata(&path))? else {
                return Ok(false);
            };
            if metadata.modified()? != listed.used {
                return Ok(false);
            }
            fs::remove_file(&path).map(|()| true)
        })
    }

    /// What it counted for.
    pub(super) fn remove(&self, digest: Digest) -> io::Result<u64> {
        let path = self.file_of(digest);
        self.exclusively(|| {
            let Some(metadata) = there(fs::metadata(&path))? else {
                return Ok(0);
            };
            fs::remove_file(&path).map(|()| charge(metadata.len()))
        })
    }

    /// Removes what was being written by processes that are gone.
    pub(super) fn remove_abandoned(&self) -> io::Result<()> {
        for entry in fs::read_dir(self.root.join("incoming"))? {
            let entry = entry?;
            let Some(metadata) = there(entry.metadata())? else {
                continue;
            };
            let age = metadata.modified()?.elapsed().unwrap_or_default();
            if age >= ABANDONED {
                there(fs::remove_file(entry.path()))?;
            }
        }
        Ok(())
    }
}

/// Notes a use. The answer is the size.
fn touch(path: &Path) -> io::Result<u64> {
    let file = OpenOptions::new().write(true).open(path)?;
    file.set_modified(SystemTime::now())?;
    Ok(file.metadata()?.len())
}
