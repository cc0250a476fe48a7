//! Content in a folder: the store of one machine, whose processes may share it.
//!
//! | path | holds |
//! |---|---|
//! | `kept/ab/abcd…` | content, under its digest; the time of its last change is that of its last use |
//! | `holds/<job id>` | the digests that a job holds, each followed by a line's end |
//! | `incoming/…` | what is being written, under names of no meaning |
//! | `lock` | locked by whoever removes content or shows it, and shared by whoever uses it |
//!
//! No name of a file comes from a client: names are digests, ids of jobs, and random.

mod disk;
mod sink;

use std::{
    collections::HashSet,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::stream;
use optimus_common::{JobId, content::Digest};
use tokio::{io::AsyncReadExt, task::spawn_blocking};

use self::{disk::Disk, sink::Writing};
use crate::{Content, ContentError, ContentStore, Holders, Incoming, Rules, Upkept, removal::removable};

/// What is read and written at once.
const BLOCK: usize = 256 << 10;

/// From one search for room to the next, at least: in vain it costs a look at every file.
const SEARCH_REST: Duration = Duration::from_secs(1);

/// A store in a folder of its own.
#[derive(Debug, Clone)]
pub struct Folder(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    disk: Disk,
    rules: Rules,
    room: Mutex<Room>,
}

/// Bytes as they count. Other processes may add to what is kept; each looks anew at every upkeep.
#[derive(Debug, Default)]
struct Room {
    kept: u64,
    /// Of this process.
    incoming: u64,
    searched: Option<Instant>,
}

impl Folder {
    /// Opens the store, and makes it where there is none.
    pub async fn open(folder: impl Into<PathBuf>, rules: Rules) -> Result<Self, ContentError> {
        let folder = folder.into();
        let store = blocking(move || {
            let disk = Disk::open(folder)?;
            let kept = disk.entries()?.iter().map(|entry| entry.bytes).sum();
            let room = Mutex::new(Room {
                kept,
                ..Room::default()
            });
            Ok(Inner { disk, rules, room })
        });
        Ok(Self(Arc::new(store.await?)))
    }

    pub fn path(&self) -> &Path {
        self.0.disk.path()
    }

    /// Does what waits for the disk where that holds up nobody.
    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> io::Result<T> + Send + 'static,
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

fn failed(error: io::Error) -> ContentError {
    use io::ErrorKind::{QuotaExceeded, StorageFull};
    if matches!(error.kind(), StorageFull | QuotaExceeded) {
        ContentError::NoRoom
    } else {
        ContentError::unavailable(error)
    }
}

impl Inner {
    fn room(&self) -> MutexGuard<'_, Room> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets so many bytes aside for what comes, where there is room for them.
    fn reserve(&self, bytes: u64) -> bool {
        let mut room = self.room();
        let fits = room.kept + room.incoming + bytes <= self.rules.max_total_bytes;
        room.incoming += if fits { bytes } else { 0 };
        fits
    }

    /// As [`Inner::reserve`], and makes room where there is none.
    fn reserve_with_force(&self, bytes: u64) -> io::Result<bool> {
        {
            let mut room = self.room();
            if room.searched.is_some_and(|last| last.elapsed() < SEARCH_REST) {
                drop(room);
                return Ok(self.reserve(bytes));
            }
            room.searched = Some(Instant::now());
        }
        let now = SystemTime::now();
        let mut held = HashSet::new();
        for hold in self.disk.holds()? {
            held.extend(self.disk.held_by(hold.job)?);
        }
        let incoming = self.room().incoming + bytes;
        let target = self.rules.total_after_removal().saturating_sub(incoming);
        if self.remove(&held, now, target)? > 0 {
            // There is more where that came from.
            self.room().searched = None;
        }
        Ok(self.reserve(bytes))
    }

    /// `held` is what was held at `now`.
    fn remove(&self, held: &HashSet<Digest>, now: SystemTime, most: u64) -> io::Result<u64> {
        let entries = self.disk.entries()?;
        let mut kept = entries.iter().map(|entry| entry.bytes).sum();
        let mut removed = 0;
        for entry in removable(entries, held, &self.rules, now, most) {
            if self.disk.remove_unused(&entry)? {
                kept -= entry.bytes;
                removed += 1;
            }
        }
        self.room().kept = kept;
        Ok(removed)
    }
}

#[async_trait]
impl ContentStore for Folder {
    async fn begin(&self, digest: Digest) -> Result<Incoming, ContentError> {
        let most = self.0.rules.max_bytes;
        let known = self.renew(&[digest]).await?;
        if known != [None] {
            return Ok(Incoming::existing(digest, most));
        }
        let writing = Writing::begin(self, digest).await?;
        Ok(Incoming::new(digest, most, Box::new(writing)))
    }

    fn incoming_memory(&self) -> usize {
        2 * BLOCK
    }

    fn max_bytes(&self) -> u64 {
        self.0.rules.max_bytes
    }

    async fn get(&self, digest: Digest) -> Result<Option<Content>, ContentError> {
        let opened = self.on_disk(move |inner| inner.disk.read(digest)).await?;
        Ok(opened.map(|(file, size)| {
            let file = tokio::fs::File::from_std(file);
            let chunks = stream::try_unfold(file, async |mut file| {
                let mut chunk = BytesMut::with_capacity(BLOCK);
                let read = file.read_buf(&mut chunk).await.map_err(failed)?;
                Ok::<_, ContentError>((read > 0).then(|| (Bytes::from(chunk), file)))
            });
            Content::new(digest, size, chunks)
        }))
    }

    async fn renew(&self, digests: &[Digest]) -> Result<Vec<Option<u64>>, ContentError> {
        let digests = digests.to_vec();
        self.on_disk(move |inner| inner.disk.renew(&digests)).await
    }

    async fn hold(&self, job: JobId, digests: &[Digest]) -> Result<Vec<Option<u64>>, ContentError> {
        let digests = digests.to_vec();
        let hold = move |inner: &Inner| {
            inner.disk.hold(job, &digests)?;
            // After that, so that whoever does not see the hold sees the use.
            inner.disk.renew(&digests)
        };
        self.on_disk(hold).await
    }

    async fn release(&self, job: JobId) -> Result<(), ContentError> {
        self.on_disk(move |inner| inner.disk.release(job)).await
    }

    async fn forget(&self, digest: Digest) -> Result<(), ContentError> {
        let forget = move |inner: &Inner| {
            let bytes = inner.disk.remove(digest)?;
            let mut room = inner.room();
            room.kept = room.kept.saturating_sub(bytes);
            Ok(())
        };
        self.on_disk(forget).await
    }

    async fn upkeep(&self, holders: &dyn Holders) -> Result<Upkept, ContentError> {
        let began = SystemTime::now();
        let mut held = HashSet::new();
        let mut released = 0;
        for hold in self.on_disk(|inner| inner.disk.holds()).await? {
            let age = began.duration_since(hold.since).unwrap_or_default();
            let is_over = age >= self.0.rules.min_kept
                && holders
                    .is_over(hold.job)
                    .await
                    .map_err(ContentError::Unavailable)?;
            if is_over {
                self.release(hold.job).await?;
                released += 1;
            } else {
                held.extend(self.on_disk(move |inner| inner.disk.held_by(hold.job)).await?);
            }
        }
        let remove = move |inner: &Inner| {
            inner.disk.remove_abandoned()?;
            let removed = inner.remove(&held, began, inner.rules.max_total_bytes)?;
            Ok((removed, inner.room().kept))
        };
        let (removed, bytes) = self.on_disk(remove).await?;
        Ok(Upkept {
            released,
            removed,
            bytes,
        })
    }
}
