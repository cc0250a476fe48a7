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

    /// The same from its beginning, by another question to the store; `None` where no answer goes wrong on its way.
    async fn again(&mut self) -> Result<Option<Box<dyn Source>>, ContentError> {
        Ok(None)
    }

    /// Removes what is read here, and nothing that was put in its place meanwhile.
    async fn remove(&mut self) -> Result<(), ContentError>;
}

/// What came is not what is stored.
#[derive(Debug, thiserror::Error)]
#[error("it was changed on its way here")]
struct Misread;

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
    /// before that. Content that is found damaged, in each of two answers where they may go wrong, is removed at once, so that it is
    /// missed, and can be put again.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ContentError> {
        let next = self.source.next().await?;
        let wrong = if let Some(chunk) = &next {
            self.read += chunk.len() as u64;
            self.sum.update(chunk);
            if self.read <= self.size {
                return Ok(next);
            }
            None
        } else {
            let found = Digest::from(<[u8; 32]>::from(self.sum.finalize_reset()));
            if self.read == self.size && found == self.digest {
                return Ok(next);
            }
            Some(found)
        };
        if let Some(again) = self.source.again().await?
            && self.found_in(again).await? != wrong
        {
            return Err(ContentError::unavailable(Misread));
        }
        self.source.remove().await?;
        Err(ContentError::Damaged(self.digest))
    }

    /// The digest of all that comes; `None` where that is more than it should be.
    async fn found_in(&self, mut source: Box<dyn Source>) -> Result<Option<Digest>, ContentError> {
        let (mut sum, mut read) = (Sha256::new(), 0);
        while let Some(chunk) = source.next().await? {
            read += chunk.len() as u64;
            if read > self.size {
                return Ok(None);
            }
            sum.update(&chunk);
        }
        Ok(Some(Digest::from(<[u8; 32]>::from(sum.finalize()))))
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
