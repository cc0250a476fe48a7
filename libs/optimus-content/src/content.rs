//! Content on its way out of a store.

use std::{fmt, iter, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use optimus_common::content::Digest;
use sha2::{Digest as _, Sha256};

use crate::ContentError;

/// Where a store has content.
#[async_trait]
pub trait Source: Send + Sync {
    /// The next bytes as the store has them, damaged or not; `None` at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, ContentError>;

    /// Removes what is read here, and nothing that was put in its place meanwhile.
    async fn remove(&mut self) -> Result<(), ContentError>;
}

/// Content that is read. It is compared with its digest once more: a store may have been damaged.
#[must_use]
pub struct Content {
    digest: Digest,
    size: u64,
    read: u64,
    sum: Sha256,
    source: Box<dyn Source>,
}

impl Content {
    pub fn new(digest: Digest, size: u64, source: impl Source + 'static) -> Self {
        Self {
            digest,
            size,
            read: 0,
            sum: Sha256::new(),
            source: Box::new(source),
        }
    }

    /// In bytes, as the store says.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The next bytes; `None` at the end, where all of them are what their digest says. Nothing may be made of any of them
    /// before that. Content that is found damaged is removed at once, so that it is missed, and can be put again.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ContentError> {
        let next = self.source.next().await?;
        let is_right = if let Some(chunk) = &next {
            self.read += chunk.len() as u64;
            self.sum.update(chunk);
            self.read <= self.size
        } else {
            let found: [u8; 32] = self.sum.finalize_reset().into();
            self.read == self.size && Digest::from(found) == self.digest
        };
        if is_right {
            return Ok(next);
        }
        self.source.remove().await?;
        Err(ContentError::Damaged(self.digest))
    }

    /// The same without comparing anything, for whoever does that.
    pub(crate) fn into_source(self) -> Box<dyn Source> {
        self.source
    }

    /// All of it. What says that it is larger than `most` is refused before any of it is read.
    pub async fn into_bytes(mut self, most: u64) -> Result<Arc<[u8]>, ContentError> {
        if self.size > most {
            return Err(ContentError::TooLarge { most });
        }
        let size = usize::try_from(self.size).map_err(ContentError::unavailable)?;
        // At its place from the beginning: moved there at the end, it would be in memory twice.
        let mut bytes: Arc<[u8]> = iter::repeat_n(0, size).collect();
        let mut filled = 0;
        while let Some(chunk) = self.next().await? {
            let place =
                Arc::get_mut(&mut bytes).and_then(|bytes| bytes.get_mut(filled..filled + chunk.len()));
            place
                .ok_or(ContentError::Damaged(self.digest))?
                .copy_from_slice(&chunk);
            filled += chunk.len();
        }
        Ok(bytes)
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Content")
            .field("digest", &self.digest)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}
