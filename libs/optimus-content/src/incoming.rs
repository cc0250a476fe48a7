//! Content on its way into a store.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use optimus_common::content::Digest;
use sha2::{Digest as _, Sha256};

use crate::ContentError;

/// Whether content was there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    New,
    Existing,
}

/// Where a store puts what comes. Dropped without [`Sink::keep`], it takes back whatever it has.
#[async_trait]
pub trait Sink: Send {
    async fn write(&mut self, chunk: Bytes) -> Result<(), ContentError>;

    /// Everything has come and is what it should be: shows it to all, whole.
    async fn keep(self: Box<Self>) -> Result<Put, ContentError>;
}

/// Content that comes. Nobody sees anything of it before [`Incoming::finish`]; dropped earlier, nothing of it remains.
#[must_use]
pub struct Incoming {
    digest: Digest,
    sum: Sha256,
    bytes: u64,
    most: u64,
    /// None where the content is there already.
    sink: Option<Box<dyn Sink>>,
}

impl Incoming {
    pub fn new(digest: Digest, most: u64, sink: Box<dyn Sink>) -> Self {
        Self {
            digest,
            sum: Sha256::new(),
            bytes: 0,
            most,
            sink: Some(sink),
        }
    }

    /// For content that is there already: what comes is only looked at.
    pub fn existing(digest: Digest, most: u64) -> Self {
        Self {
            digest,
            sum: Sha256::new(),
            bytes: 0,
            most,
            sink: None,
        }
    }

    pub async fn write(&mut self, chunk: Bytes) -> Result<(), ContentError> {
        let bytes = self.bytes + chunk.len() as u64;
        if bytes > self.most {
            return Err(ContentError::TooLarge { most: self.most });
        }
        self.bytes = bytes;
        self.sum.update(&chunk);
        match &mut self.sink {
            Some(sink) if !chunk.is_empty() => sink.write(chunk).await,
            _ => Ok(()),
        }
    }

    /// Keeps it, if it is what its digest says.
    pub async fn finish(self) -> Result<Put, ContentError> {
        let found = Digest::from(<[u8; 32]>::from(self.sum.finalize()));
        if found != self.digest {
            return Err(ContentError::Differs {
                named: self.digest,
                found,
            });
        }
        match self.sink {
            Some(sink) => sink.keep().await,
            None => Ok(Put::Existing),
        }
    }
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming")
            .field("digest", &self.digest)
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}
