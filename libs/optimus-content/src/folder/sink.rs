//! A file being written.

use std::{
    fs::{self, File},
    io::{self, Seek, SeekFrom},
    path::PathBuf,
    sync::Arc,
};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use optimus_common::content::Digest;

use super::{
    disk::{Shown, charge, trailer},
    open::{BLOCK, OpenFolder, blocking, is_full},
};
use crate::{ContentError, Put, Sink, room::Share};

/// The file and its room. Dropped, both are given back; so it always belongs to whoever works on it, which may be a task that
/// nobody waits for any more.
struct Upload {
    inner: Arc<OpenFolder>,
    path: PathBuf,
    /// Locked for as long as it is open.
    file: File,
    bytes: u64,
    share: Share,
}

impl Upload {
    fn begin(inner: Arc<OpenFolder>) -> io::Result<Self> {
        let mut share = inner.room.share();
        inner.take(&mut share, charge(0))?;
        let (path, file) = inner.disk.new_file()?;
        Ok(Self {
            inner,
            path,
            file,
            bytes: 0,
            share,
        })
    }

    fn append(&mut self, block: &[u8]) -> io::Result<()> {
        let bytes = self.bytes + block.len() as u64;
        let more = charge(bytes).saturating_sub(self.share.bytes());
        if more > 0 {
            self.inner.take(&mut self.share, more)?;
        }
        self.write(block)?;
        self.bytes = bytes;
        Ok(())
    }

    /// Behind what came before. What others write to the disk, or a quota, may have left less than there seemed to be.
    fn write(&mut self, block: &[u8]) -> io::Result<()> {
        let written = self.write_once(block);
        match written {
            Err(error) if is_full(&error) => {
                self.inner.free_at_least(charge(block.len() as u64))?;
                self.write_once(block)
            }
            written => written,
        }
    }

    fn write_once(&mut self, block: &[u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.bytes))?;
        (self.inner.file_system.write)(&self.inner.disk, &mut self.file, block)
    }

    fn keep(mut self, digest: Digest) -> io::Result<Put> {
        self.write(&trailer(self.bytes))?;
        self.file.sync_all()?;
        match self.inner.disk.show(&self.path, digest)? {
            Shown::Existing => return Ok(Put::Existing),
            Shown::New => {}
            Shown::InsteadOf(bytes) => self.inner.room.removed(bytes),
        }
        let none = self.inner.room.share();
        std::mem::replace(&mut self.share, none).keep();
        Ok(Put::New)
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        // Shown, it has another name by now. What cannot be removed now is, once it is not locked any more.
        let _ = fs::remove_file(&self.path);
    }
}

pub(super) struct Writing {
    digest: Digest,
    /// None once something went wrong.
    upload: Option<Upload>,
    waiting: BytesMut,
}

#[derive(Debug, thiserror::Error)]
#[error("writing it was given up")]
struct WritingGivenUp;

impl Writing {
    pub(super) async fn begin(inner: Arc<OpenFolder>, digest: Digest) -> Result<Self, ContentError> {
        let upload = blocking(move || Upload::begin(inner)).await?;
        Ok(Self {
            digest,
            upload: Some(upload),
            waiting: BytesMut::new(),
        })
    }

    fn take(&mut self) -> Result<Upload, ContentError> {
        let upload = self.upload.take();
        upload.ok_or_else(|| ContentError::unavailable(WritingGivenUp))
    }
}

#[async_trait]
impl Sink for Writing {
    async fn write(&mut self, chunk: Bytes) -> Result<(), ContentError> {
        self.waiting.extend_from_slice(&chunk);
        while self.waiting.len() >= BLOCK {
            let block = self.waiting.split_to(BLOCK).freeze();
            let mut upload = self.take()?;
            let append = move || upload.append(&block).map(|()| upload);
            self.upload = Some(blocking(append).await?);
        }
        Ok(())
    }

    async fn keep(mut self: Box<Self>) -> Result<Put, ContentError> {
        let (mut upload, digest) = (self.take()?, self.digest);
        let rest = self.waiting.split().freeze();
        blocking(move || {
            upload.append(&rest)?;
            upload.keep(digest)
        })
        .await
    }
}
