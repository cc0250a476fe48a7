//! The files of the store.

use std::{
    fs::{self, DirBuilder, File, Metadata, OpenOptions},
    io::{self, ErrorKind, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    time::SystemTime,
};

use optimus_common::{JobId, content::Digest};
use uuid::Uuid;

use crate::{hold_note, removal::Entry};

/// Behind the content of each file: by it a file is known that was cut off, without reading it.
const MARK: [u8; 8] = *b"optimus\n";
const TRAILER: usize = 2 * MARK.len();

pub(super) fn trailer(bytes: u64) -> [u8; TRAILER] {
    let mut trailer = [0; TRAILER];
    let (mark, size) = trailer.split_at_mut(MARK.len());
    mark.copy_from_slice(&MARK);
    size.copy_from_slice(&bytes.to_le_bytes());
    trailer
}

/// How many bytes of content a file has; `None` where it is not whole.
fn size_of(file: &mut File) -> io::Result<Option<u64>> {
    let Some(bytes) = file.metadata()?.len().checked_sub(TRAILER as u64) else {
        return Ok(None);
    };
    file.seek(SeekFrom::Start(bytes))?;
    let mut found = [0; TRAILER];
    file.read_exact(&mut found)?;
    file.rewind()?;
    Ok((found == trailer(bytes)).then_some(bytes))
}

/// What content counts for. Files take whole blocks; and a file system has room for no more files than for so many blocks, so
/// that one which is small counts for more than it takes.
pub(super) fn charge(bytes: u64) -> u64 {
    const BLOCK: u64 = 4096;
    const LEAST: u64 = 4 * BLOCK;
    (bytes + TRAILER as u64).next_multiple_of(BLOCK).max(LEAST)
}

/// What a file counts for.
fn charge_of(metadata: &Metadata) -> u64 {
    charge(metadata.len().saturating_sub(TRAILER as u64))
}

/// How content was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    New,
    /// It was there already; nothing was moved.
    Existing,
    /// In place of content that was damaged, which counted for so many bytes.
    InsteadOf(u64),
}

/// What is left of a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Free {
    pub(super) bytes: u64,
    pub(super) files: u64,
}

impl Free {
    const UNKNOWN: Self = Self {
        bytes: u64::MAX,
        files: u64::MAX,
    };
}

#[derive(Debug)]
pub(super) struct Disk {
    root: PathBuf,
    /// Names files of this process.
    process: Uuid,
}

/// `None` where there is no such file.
fn there<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes a folder, and those above it, that no other user may enter.
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
        let process = Uuid::now_v7();
        let disk = Self { root, process };
        for folder in ["kept", "holds", "incoming"] {
            make_folder(&disk.root.join(folder))?;
        }
        disk.make_identity()?;
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

    fn incoming(&self) -> PathBuf {
        self.root.join("incoming")
    }

    /// A file for what comes, locked: one that is not belongs to nobody any more.
    pub(super) fn new_file(&self) -> io::Result<(PathBuf, File)> {
        let name = format!("{}.{}", self.process, Uuid::now_v7());
        let path = self.incoming().join(name);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        // Nobody looks for files that are not locked meanwhile.
        let lock = self.lock_file()?;
        lock.lock_shared()?;
        let file = options.open(&path)?;
        file.lock()?;
        Ok((path, file))
    }

    /// Shows what was written and synced to all.
    pub(super) fn show(&self, written: &Path, digest: Digest) -> io::Result<Shown> {
        let path = self.file_of(digest);
        let shown = self.exclusively(|| {
            let shown = match there(fs::metadata(&path))? {
                None => Shown::New,
                Some(_) if touch(&path)?.is_some() => return Ok(Shown::Existing),
                Some(damaged) => Shown::InsteadOf(charge_of(&damaged)),
            };
            fs::rename(written, &path)?;
            Ok(shown)
        })?;
        // Also where another one has shown it: its name may not be on the disk yet.
        sync_folder(path.parent().unwrap_or(&self.root))?;
        Ok(shown)
    }

    /// Content that is whole, from its beginning.
    pub(super) fn read(&self, digest: Digest) -> io::Result<Option<(File, u64)>> {
        let Some(mut file) = there(File::open(self.file_of(digest)))? else {
            return Ok(None);
        };
        let size = size_of(&mut file)?;
        Ok(size.map(|size| (file, size)))
    }

    pub(super) fn renew(&self, digests: &[Digest]) -> io::Result<Vec<Option<u64>>> {
        let lock = self.lock_file()?;
        lock.lock_shared()?;
        digests
            .iter()
            .map(|digest| Ok(there(touch(&self.file_of(*digest)))?.flatten()))
            .collect()
    }

    /// Notes what a job holds, so that it is not forgotten at a loss of power either.
    pub(super) fn hold(&self, job: JobId, digests: &[Digest]) -> io::Result<()> {
        let (written, mut file) = self.new_file()?;
        let noted = file
            .write_all(hold_note::text(digests).as_bytes())
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

    /// Jobs that hold content. What else lies there is nobody's.
    pub(super) fn holders(&self) -> io::Result<Vec<JobId>> {
        let mut jobs = Vec::new();
        for entry in fs::read_dir(self.root.join("holds"))? {
            match entry?.file_name().to_str().and_then(|name| name.parse().ok()) {
                Some(job) => jobs.push(job),
                None => told_stray("holds"),
            }
        }
        Ok(jobs)
    }

    /// Since when each of them does.
    pub(super) fn holds(&self) -> io::Result<Vec<(JobId, SystemTime)>> {
        let mut holds = Vec::new();
        for job in self.holders()? {
            if let Some(metadata) = there(fs::metadata(self.hold_of(job)))? {
                holds.push((job, metadata.modified()?));
            }
        }
        Ok(holds)
    }

    /// Nothing where the job holds nothing any more.
    pub(super) fn held_by(&self, job: JobId) -> io::Result<Vec<Digest>> {
        let bytes = there(fs::read(self.hold_of(job)))?.unwrap_or_default();
        Ok(hold_note::digests(job, &bytes))
    }

    pub(super) fn entries(&self) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for folder in fs::read_dir(self.kept())? {
            let folder = folder?;
            if !folder.file_type()?.is_dir() {
                told_stray("kept");
                continue;
            }
            for entry in fs::read_dir(folder.path())? {
                let entry = entry?;
                let digest = entry.file_name().to_str().and_then(|name| name.parse().ok());
                let Some(digest) = digest.filter(|digest| self.file_of(*digest) == entry.path()) else {
                    told_stray("kept");
                    continue;
                };
                let Some(metadata) = there(entry.metadata())? else {
                    continue;
                };
                entries.push(Entry {
                    digest,
                    bytes: charge_of(&metadata),
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

    /// Removes what was read, and nothing that came in its place. The answer is what it counted for.
    pub(super) fn remove_read(&self, digest: Digest, read: &Metadata) -> io::Result<u64> {
        let path = self.file_of(digest);
        self.exclusively(|| match there(fs::metadata(&path))? {
            Some(metadata) if is_same_file(&metadata, read) => {
                fs::remove_file(&path).map(|()| charge_of(&metadata))
            }
            _ => Ok(0),
        })
    }

    /// Removes what was being written by processes that are gone. The answer is what that of other processes counts for which
    /// are not.
    pub(super) fn sweep(&self) -> io::Result<u64> {
        let own = self.process.to_string();
        self.exclusively(|| {
            let mut elsewhere = 0;
            for entry in fs::read_dir(self.incoming())? {
                let entry = entry?;
                if !entry.file_type()?.is_file() {
                    told_stray("incoming");
                    continue;
                }
                // A lock belongs to what was opened: that of the writer is another one, also in this process.
                let Some(file) = there(File::open(entry.path()))? else {
                    continue;
                };
                if file.try_lock().is_ok() {
                    there(fs::remove_file(entry.path()))?;
                } else if !entry.file_name().to_string_lossy().starts_with(&own) {
                    elsewhere += charge_of(&file.metadata()?);
                }
            }
            Ok(elsewhere)
        })
    }

    /// What the file system has left for us, as far as it tells.
    #[cfg(unix)]
    pub(super) fn free(&self) -> Free {
        let Ok(numbers) = rustix::fs::statvfs(&self.root) else {
            return Free::UNKNOWN;
        };
        Free {
            bytes: numbers.f_bavail.saturating_mul(numbers.f_frsize),
            // Some file systems make them as they are needed.
            files: if numbers.f_files == 0 {
                u64::MAX
            } else {
                numbers.f_favail
            },
        }
    }

    #[cfg(not(unix))]
    #[expect(clippy::unused_self, reason = "as on Unix")]
    pub(super) fn free(&self) -> Free {
        Free::UNKNOWN
    }

    /// The name of the store, made at its first opening.
    pub(super) fn identity(&self) -> io::Result<Uuid> {
        let text = fs::read_to_string(self.identity_file())?;
        text.trim().parse().map_err(io::Error::other)
    }

    fn identity_file(&self) -> PathBuf {
        self.root.join("identity")
    }

    fn make_identity(&self) -> io::Result<()> {
        if there(fs::metadata(self.identity_file()))?.is_some() {
            return Ok(());
        }
        let (written, mut file) = self.new_file()?;
        writeln!(file, "{}", Uuid::now_v7())?;
        file.sync_all()?;
        // The first of several makes it.
        let made = fs::hard_link(&written, self.identity_file());
        fs::remove_file(&written)?;
        match made {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
            _ => Ok(()),
        }
    }
}

#[cfg(unix)]
fn is_same_file(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(not(unix))]
fn is_same_file(one: &Metadata, other: &Metadata) -> bool {
    matches!((one.created(), other.created()), (Ok(one), Ok(other)) if one == other)
}

fn told_stray(folder: &str) {
    tracing::warn!(
        folder,
        "something in the folder of content is not the store's; it is left alone"
    );
}

/// Notes a use. The answer is the size; `None` where it is not whole.
fn touch(path: &Path) -> io::Result<Option<u64>> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    let size = size_of(&mut file)?;
    if size.is_some() {
        file.set_modified(SystemTime::now())?;
    }
    Ok(size)
}
