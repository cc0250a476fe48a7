//! Content in a folder: the store of one machine, whose processes may share it.
//!
//! | path | holds |
//! |---|---|
//! | `kept/ab/abcd…` | content, under its digest; the time of its last change is that of its last use |
//! | `holds/<job id>` | the digests that a job holds, each followed by a line's end |
//! | `incoming/…` | what is being written; locked by whoever does, so that what nobody locks is removed |
//! | `identity` | the name of the store |
//! | `lock` | locked by whoever removes content or shows it, and shared by whoever uses it |
//!
//! A file of content ends in a trailer, by which one that was cut off is seen not to be whole: such content is not there, and
//! is put anew.
//!
//! No name of a file comes from a client: names are digests, ids of jobs, and random.

mod disk;
mod search;
mod sink;
#[cfg(test)]
mod tests;

use std::{
    collections::HashSet,
    fmt,
    fs::{File, Metadata},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use async_trait::async_trait;
use bytes::Bytes;
use optimus_common::{JobId, content::Digest};
use tokio::task::spawn_blocking;
use uuid::Uuid;

use self::{
    disk::{Disk, Free, charge},
    search::Search,
    sink::Writing,
};
use crate::{
    Content, ContentError, ContentStore, Holders, Incoming, Rules, Sink, Source, Upkept,
    held::{Held, measured},
    release_over,
    removal::{Entry, left_of, removable},
    room::{Room, Share},
};

/// What is read and written at once.
const BLOCK: usize = 256 << 10;

/// What content leaves of its file system, in bytes and in files, whatever it may take by its rules: the jobs' database may be
/// there as well, which keeps a reserve of its own to finish jobs in.
const RESERVE: Free = Free {
    bytes: 64 << 20,
    files: 4096,
};

/// What holds leave of it, so that jobs that name content are still taken when no more content is.
const RESERVE_OF_HOLDS: u64 = 32 << 20;

/// A store in a folder of its own. Its clones are the same store.
#[derive(Debug, Clone)]
pub struct Folder(Arc<OpenFolder>);

struct OpenFolder {
    disk: Disk,
    rules: Rules,
    room: Room,
    held: Held,
    search: Mutex<Search>,
    file_system: FileSystem,
}

/// What the file system does that a test cannot have it do.
#[derive(Clone, Copy)]
struct FileSystem {
    /// What it has left.
    free: fn(&Disk) -> Free,
    write: fn(&Disk, &mut File, &[u8]) -> io::Result<()>,
}

impl FileSystem {
    const REAL: Self = Self {
        free: Disk::free,
        write: |_, file, block| file.write_all(block),
    };
}

impl Folder {
    /// Opens the store, and makes it where there is none.
    pub async fn open(folder: impl Into<PathBuf>, rules: Rules) -> Result<Self, ContentError> {
        Self::open_on(folder.into(), rules, FileSystem::REAL).await
    }

    async fn open_on(folder: PathBuf, rules: Rules, file_system: FileSystem) -> Result<Self, ContentError> {
        let store = blocking(move || {
            let disk = Disk::open(folder)?;
            let inner = OpenFolder {
                disk,
                rules,
                room: Room::default(),
                held: Held::default(),
                search: Mutex::default(),
                file_system,
            };
            inner.look_at_holds()?;
            inner.note(&inner.disk.entries()?);
            // What was being written when a process was killed is gone, and that of others counts, from the first moment.
            inner.room.set_elsewhere(inner.disk.sweep()?);
            Ok(inner)
        });
        Ok(Self(Arc::new(store.await?)))
    }

    pub fn path(&self) -> &Path {
        self.0.disk.path()
    }

    /// Does what waits for the disk where that holds up nobody.
    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&OpenFolder) -> io::Result<T> + Send + 'static,
    ) -> Result<T, ContentError> {
        let inner = Arc::clone(&self.0);
        blocking(move || work(&inner)).await
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, ContentError> {
    let done = spawn_blocking(work).await.map_err(ContentError::unavailable)?;
    done.map_err(failed)
}

fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded)
}

fn failed(error: io::Error) -> ContentError {
    if is_full(&error) {
        ContentError::NoRoom
    } else {
        ContentError::unavailable(error)
    }
}

impl OpenFolder {
    fn free(&self) -> Free {
        (self.file_system.free)(&self.disk)
    }

    /// The most that all content may count for: by the rules, and by what the file system has left.
    fn bound(&self) -> u64 {
        let free = self.free();
        let used = self.room.taken().total();
        let growth = if free.files > RESERVE.files {
            free.bytes.saturating_sub(RESERVE.bytes)
        } else {
            0
        };
        let mut bound = used.saturating_add(growth);
        if growth == 0 {
            // Less than is used where too little is left.
            bound = used.saturating_sub(RESERVE.bytes.saturating_sub(free.bytes));
        }
        bound.min(self.rules.max_total_bytes)
    }

    /// Takes so much more for what comes, and makes room where there is none.
    fn take(&self, share: &mut Share, more: u64) -> io::Result<()> {
        let is_known = || !self.room.is_to_be_looked_at(self.rules.max_total_bytes);
        if is_known() && share.grow(more, self.bound()) {
            return Ok(());
        }
        let mut search = self.search.lock().unwrap_or_else(PoisonError::into_inner);
        if !is_known() {
            self.room.set_elsewhere(self.disk.sweep()?);
            self.note(&self.disk.entries()?);
        }
        // While others were looking, they may have found some.
        if share.grow(more, self.bound()) {
            return Ok(());
        }
        self.room.set_elsewhere(self.disk.sweep()?);
        let target = left_of(self.bound());
        search.make_room(self, || self.room.taken().total() + more <= target)?;
        if share.grow(more, self.bound()) {
            Ok(())
        } else {
            Err(io::ErrorKind::StorageFull.into())
        }
    }

    /// Removes content that counts for so much, where there is some that may go.
    fn free_at_least(&self, bytes: u64) -> io::Result<()> {
        let mut search = self.search.lock().unwrap_or_else(PoisonError::into_inner);
        let target = self.room.taken().kept.saturating_sub(bytes);
        search.make_room(self, || self.room.taken().kept <= target)
    }

    fn hold(&self, job: JobId, digests: &[Digest], most: u64) -> io::Result<Vec<Option<u64>>> {
        self.note_hold(job, digests)?;
        // After that, so that whoever does not see the hold sees the use.
        let sizes = self.disk.renew(digests)?;
        if !self.held.add(job, &measured(digests, &sizes, charge), most) {
            self.disk.release(job)?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(sizes)
    }

    fn note_hold(&self, job: JobId, digests: &[Digest]) -> io::Result<()> {
        let missing = RESERVE_OF_HOLDS.saturating_sub(self.free().bytes);
        if missing > 0 {
            self.free_at_least(missing)?;
            if self.free().bytes < RESERVE_OF_HOLDS {
                return Err(io::ErrorKind::StorageFull.into());
            }
        }
        match self.disk.hold(job, digests) {
            Err(error) if is_full(&error) => {
                self.free_at_least(BLOCK as u64)?;
                self.disk.hold(job, digests)
            }
            held => held,
        }
    }

    /// All that is held.
    fn look_at_holds(&self) -> io::Result<HashSet<Digest>> {
        for job in self.held.keep(&self.disk.holders()?.into_iter().collect()) {
            self.held.learn(job, self.disk.held_by(job)?);
        }
        Ok(self.held.digests())
    }

    /// Notes what is there.
    fn note(&self, entries: &[Entry]) {
        self.room.set_kept(entries.iter().map(|entry| entry.bytes).sum());
        self.held
            .measure(entries.iter().map(|entry| (entry.digest, entry.bytes)));
    }

    /// Removes what was not used for its time, and what there is no room for. `began`: a moment from which on uses are seen.
    fn remove(&self, began: SystemTime) -> io::Result<u64> {
        let held = self.look_at_holds()?;
        self.room.set_elsewhere(self.disk.sweep()?);
        let entries = self.disk.entries()?;
        self.note(&entries);
        let most = self.bound().saturating_sub(self.room.taken().on_its_way());
        let mut removed = 0;
        for entry in removable(entries, &held, &self.rules, began, most) {
            if self.disk.remove_unused(&entry)? {
                self.room.removed(entry.bytes);
                removed += 1;
            }
        }
        Ok(removed)
    }
}

impl fmt::Debug for OpenFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenFolder")
            .field("disk", &self.disk)
            .field("room", &self.room)
            .finish_non_exhaustive()
    }
}

/// A file that is read.
struct FileReading {
    store: Folder,
    digest: Digest,
    opened: Metadata,
    /// None while it is read, and once that failed. It stays open for as long as it may be removed, so that no other file is
    /// taken for it.
    file: Option<File>,
    left: u64,
}

#[derive(Debug, thiserror::Error)]
#[error("reading it was given up")]
struct ReadingGivenUp;

#[async_trait]
impl Source for FileReading {
    async fn next(&mut self) -> Result<Option<Bytes>, ContentError> {
        if self.left == 0 {
            return Ok(None);
        }
        let file = self
            .file
            .take()
            .ok_or_else(|| ContentError::unavailable(ReadingGivenUp))?;
        let most = self.left.min(BLOCK as u64);
        let read = move || {
            let mut block = Vec::new();
            let mut part = file.take(most);
            part.read_to_end(&mut block)?;
            Ok((block, part.into_inner()))
        };
        let (block, file) = blocking(read).await?;
        self.file = Some(file);
        self.left -= block.len() as u64;
        Ok((!block.is_empty()).then(|| block.into()))
    }

    async fn remove(&mut self) -> Result<(), ContentError> {
        let (digest, opened) = (self.digest, self.opened.clone());
        let remove = move |inner: &OpenFolder| {
            inner.room.removed(inner.disk.remove_read(digest, &opened)?);
            Ok(())
        };
        self.store.on_disk(remove).await
    }
}

#[async_trait]
impl ContentStore for Folder {
    async fn identity(&self) -> Result<Uuid, ContentError> {
        self.on_disk(|inner| inner.disk.identity()).await
    }

    async fn begin(&self, digest: Digest) -> Result<Incoming, ContentError> {
        Incoming::begin(Arc::new(self.clone()), digest).await
    }

    async fn sink(&self, digest: Digest) -> Result<Box<dyn Sink>, ContentError> {
        let writing = Writing::begin(Arc::clone(&self.0), digest).await?;
        Ok(Box::new(writing))
    }

    fn incoming_memory(&self) -> usize {
        3 * BLOCK
    }

    fn max_bytes(&self) -> u64 {
        self.0.rules.max_bytes
    }

    async fn get(&self, digest: Digest) -> Result<Option<Content>, ContentError> {
        let opened = move |inner: &OpenFolder| {
            let Some((file, size)) = inner.disk.read(digest)? else {
                return Ok(None);
            };
            let opened = file.metadata()?;
            Ok(Some((file, opened, size)))
        };
        let opened = self.on_disk(opened).await?;
        Ok(opened.map(|(file, opened, size)| {
            let reading = FileReading {
                store: self.clone(),
                digest,
                opened,
                file: Some(file),
                left: size,
            };
            Content::new(digest, size, reading)
        }))
    }

    async fn renew(&self, digests: &[Digest]) -> Result<Vec<Option<u64>>, ContentError> {
        let digests = digests.to_vec();
        self.on_disk(move |inner| inner.disk.renew(&digests)).await
    }

    async fn bound(&self) -> Result<u64, ContentError> {
        self.on_disk(|inner| Ok(inner.bound())).await
    }

    async fn hold(
        &self,
        job: JobId,
        digests: &[Digest],
        most: u64,
    ) -> Result<Vec<Option<u64>>, ContentError> {
        let digests = digests.to_vec();
        self.on_disk(move |inner| inner.hold(job, &digests, most)).await
    }

    async fn release(&self, job: JobId) -> Result<(), ContentError> {
        let release = move |inner: &OpenFolder| {
            inner.disk.release(job)?;
            inner.held.end(job);
            Ok(())
        };
        self.on_disk(release).await
    }

    async fn upkeep(&self, holders: &dyn Holders) -> Result<Upkept, ContentError> {
        let began = SystemTime::now();
        let holds = self.on_disk(|inner| inner.disk.holds()).await?;
        let upkept = release_over(self, self.0.rules.old_holds(holds, began), holders).await?;
        let remove = move |inner: &OpenFolder| Ok((inner.remove(began)?, inner.room.taken().total()));
        let (removed, bytes) = self.on_disk(remove).await?;
        Ok(Upkept {
            removed,
            bytes,
            ..upkept
        })
    }
}
