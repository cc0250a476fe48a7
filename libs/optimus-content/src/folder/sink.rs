//! A file being written.

use std::{fs, path::PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use optimus_common::content::Digest;
use tokio::{fs::File, io::AsyncWriteExt};

use super::{BLOCK, Folder, disk::charge, failed};
use crate::{ContentError, Put, Sink};

pub(super) struct Writing {
    store: Folder,
    digest: Digest,
    path: PathBuf,
    file: File,
    bytes: u64,
    /// What is set aside for it.
    reserved: u64,
}

impl Writing {
    pub(super) async fn begin(store: &Folder, digest: Digest) -> Result<Self, ContentError> {
        reserve(store, charge(0)).await?;
        let created = store.on_disk(|inner| inner.disk.new_file()).await;
        let (path, file) = created.inspect_err(|_| store.0.room().incoming -= charge(0))?;
        let mut file = File::from_std(file);
        file.set_max_buf_size(BLOCK);
        Ok(Self {
            store: store.clone(),
            digest,
            path,
            file,
            bytes: 0,
            reserved: charge(0),
        })
    }
}

async fn reserve(store: &Folder, bytes: u64) -> Result<(), ContentError> {
    let fits = store.0.reserve(bytes)
        || store
            .on_disk(move |inner| inner.reserve_with_force(bytes))
            .await?;
    if fits { Ok(()) } else { Err(ContentError::NoRoom) }
}

#[async_trait]
impl Sink for Writing {
    async fn write(&mut self, chunk: Bytes) -> Result<(), ContentError> {
        let bytes = self.bytes + chunk.len() as u64;
        let more = charge(bytes) - self.reserved;
        if more > 0 {
            reserve(&self.store, more).await?;
            self.reserved += more;
        }
        self.bytes = bytes;
        self.file.write_all(&chunk).await.map_err(failed)
    }

    async fn keep(mut self: Box<Self>) -> Result<Put, ContentError> {
        self.file.flush().await.map_err(failed)?;
        self.file.sync_all().await.map_err(failed)?;
        let (path, digest, bytes) = (self.path.clone(), self.digest, charge(self.bytes));
        let show = move |inner: &super::Inner| {
            let is_new = inner.disk.show(&path, digest)?;
            if is_new {
                inner.room().kept += bytes;
            }
            Ok(is_new)
        };
        let is_new = self.store.on_disk(show).await?;
        Ok(if is_new { Put::New } else { Put::Existing })
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.store.0.room().incoming -= self.reserved;
        // Shown, it has another name by now. What cannot be removed goes at an upkeep.
        let _ = fs::remove_file(&self.path);
    }
}
