//! Content on its way out of a store.

use std::fmt;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream::BoxStream};
use optimus_common::content::Digest;
use sha2::{Digest as _, Sha256};

use crate::ContentError;

/// Content that is read. It is compared with its digest once more: a store may have been damaged.
#[must_use]
pub struct Content {
    digest: Digest,
    size: u64,
    read: u64,
    sum: Sha256,
    chunks: BoxStream<'static, Result<Bytes, ContentError>>,
}

impl Content {
    /// `chunks` are the bytes as the store has them.
    pub fn new(
        digest: Digest,
        size: u64,
        chunks: impl Stream<Item = Result<Bytes, ContentError>> + Send + 'static,
    ) -> Self {
        Self {
            digest,
            size,
            read: 0,
            sum: Sha256::new(),
            chunks: chunks.boxed(),
        }
    }

    /// In bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The next bytes; `None` at the end, where all of them are what their digest says. Nothing may be made of any of them
    /// before that.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ContentError> {
        let damaged = Err(ContentError::Damaged(self.digest));
        if let Some(chunk) = self.chunks.next().await {
            let chunk = chunk?;
            self.read += chunk.len() as u64;
            if self.read > self.size {
                return damaged;
            }
            self.sum.update(&chunk);
            return Ok(Some(chunk));
        }
        let found: [u8; 32] = self.sum.finalize_reset().into();
        if self.read == self.size && Digest::from(found) == self.digest {
            Ok(None)
        } else {
            damaged
        }
    }

    /// All of it.
    pub async fn into_bytes(mut self) -> Result<Vec<u8>, ContentError> {
        let mut bytes = Vec::with_capacity(usize::try_from(self.size).unwrap_or(0));
        while let Some(chunk) = self.next().await? {
            bytes.extend_from_slice(&chunk);
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
