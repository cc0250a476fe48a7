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
mod open;
mod search;
mod sink;
#[cfg(test)]
mod tests;

use std::{
    fs::{File, Metadata},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use async_trait::async_trait;
use bytes::Bytes;
use optimus_common::{JobId, content::Digest};
use uuid::Uuid;

use self::{
    open::{BLOCK, FileSystem, OpenFolder, blocking},
    sink::Writing,
};
use crate::{
    Content, ContentError, ContentStore, Holders, Incoming, Rules, Sink, Source, Upkept, release_over,
};

/// A store in a folder of its own. Its clones are the same store.
#[derive(Debug, Clone)]
pub struct Folder(Arc<OpenFolder>);

impl Folder {
    /// Opens the store, and makes it where there is none.
    pub async fn open(folder: impl Into<PathBuf>, rules: Rules) -> Result<Self, ContentError> {
        Self::open_on(folder.into(), rules, FileSystem::REAL).await
    }

    async fn open_on(folder: PathBuf, rules: Rules, file_system: FileSystem) -> Result<Self, ContentError> {
        let store = blocking(move || OpenFolder::open(folder, rules, file_system));
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
