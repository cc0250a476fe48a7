//! Content on its way into a store.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use bytes::{Buf, Bytes};
use optimus_common::content::Digest;
use sha2::{Digest as _, Sha256};

use crate::{ContentError, ContentStore, Source};

/// Whether content was there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    New,
    Existing,
}

/// Where a store puts what comes. Dropped without [`Sink::keep`], it takes back whatever it has. So does each of its futures
/// that is dropped before its end; nothing is done with the sink after that.
#[async_trait]
pub trait Sink: Send + Sync {
    async fn write(&mut self, chunk: Bytes) -> Result<(), ContentError>;

    /// Everything has come and is what it should be: shows it to all, whole.
    async fn keep(self: Box<Self>) -> Result<Put, ContentError>;

    /// As [`Sink::keep`], in the place of content that is damaged.
    async fn keep_instead(self: Box<Self>, mut damaged: Box<dyn Source>) -> Result<Put, ContentError> {
        damaged.remove().await?;
        self.keep().await
    }
}

/// Content that comes. Nobody sees anything of it before [`Incoming::finish`]; dropped earlier, nothing of it remains.
#[must_use]
pub struct Incoming {
    digest: Digest,
    sum: Sha256,
    bytes: u64,
    most: u64,
    way: Way,
}

enum Way {
    Into(Box<dyn Sink>),
    /// It is there already, and was so far what comes.
    Along(Existing),
    /// It was there, but is damaged: what comes takes its place.
    Instead(Box<dyn Sink>, Box<dyn Source>),
    /// A future was dropped, or failed.
    Nowhere,
}

struct Existing {
    source: Box<dyn Source>,
    /// Read, and not compared yet.
    ahead: Bytes,
    store: Arc<dyn ContentStore>,
}

#[derive(Debug, thiserror::Error)]
#[error("it was removed while it came again")]
struct Removed;

#[derive(Debug, thiserror::Error)]
#[error("it was given up")]
struct IncomingGivenUp;

impl Incoming {
    /// What [`ContentStore::begin`] is in every store. Content that is there already is used by it: what comes is compared
    /// with it, and takes its place where it is damaged.
    pub async fn begin(store: Arc<dyn ContentStore>, digest: Digest) -> Result<Self, ContentError> {
        let most = store.max_bytes();
        let is_there = store.renew(&[digest]).await? != [None];
        let there = if is_there { store.get(digest).await? } else { None };
        let way = match there {
            Some(there) => Way::Along(Existing {
                source: there.into_source(),
                ahead: Bytes::new(),
                store,
            }),
            None => Way::Into(store.sink(digest).await?),
        };
        Ok(Self {
            digest,
            sum: Sha256::new(),
            bytes: 0,
            most,
            way,
        })
    }

    pub async fn write(&mut self, chunk: Bytes) -> Result<(), ContentError> {
        let bytes = self.bytes + chunk.len() as u64;
        if bytes > self.most {
            return Err(ContentError::TooLarge { most: self.most });
        }
        if chunk.is_empty() {
            return Ok(());
        }
        self.way = match std::mem::replace(&mut self.way, Way::Nowhere) {
            Way::Into(mut sink) => {
                sink.write(chunk.clone()).await?;
                Way::Into(sink)
            }
            Way::Instead(mut sink, damaged) => {
                sink.write(chunk.clone()).await?;
                Way::Instead(sink, damaged)
            }
            Way::Along(mut existing) => {
                if existing.is_followed_by(&chunk).await? {
                    Way::Along(existing)
                } else {
                    let mut sink = self.again(&existing).await?;
                    sink.write(chunk.clone()).await?;
                    Way::Instead(sink, existing.source)
                }
            }
            Way::Nowhere => return Err(ContentError::unavailable(IncomingGivenUp)),
        };
        self.sum.update(&chunk);
        self.bytes = bytes;
        Ok(())
    }

    /// Keeps it, if it is what its digest says.
    pub async fn finish(mut self) -> Result<Put, ContentError> {
        let found = Digest::from(<[u8; 32]>::from(self.sum.clone().finalize()));
        if found != self.digest {
            return Err(ContentError::Differs {
                named: self.digest,
                found,
            });
        }
        let (sink, damaged) = match std::mem::replace(&mut self.way, Way::Nowhere) {
            Way::Into(sink) => return sink.keep().await,
            Way::Along(mut existing) => {
                if existing.is_at_its_end().await? {
                    // What came took its time.
                    return match existing.store.renew(&[self.digest]).await?[..] {
                        [Some(size)] if size == self.bytes => Ok(Put::Existing),
                        _ => Err(ContentError::unavailable(Removed)),
                    };
                }
                (self.again(&existing).await?, existing.source)
            }
            Way::Instead(sink, damaged) => (sink, damaged),
            Way::Nowhere => return Err(ContentError::unavailable(IncomingGivenUp)),
        };
        sink.keep_instead(damaged).await
    }

    /// A new place for what came so far. That is what is there, up to the first difference: it is read from there once more.
    async fn again(&self, existing: &Existing) -> Result<Box<dyn Sink>, ContentError> {
        let removed = || ContentError::unavailable(Removed);
        let mut sink = existing.store.sink(self.digest).await?;
        let mut missing = self.bytes;
        let mut sum = Sha256::new();
        if missing > 0 {
            let there = existing.store.get(self.digest).await?;
            let mut source = there.ok_or_else(removed)?.into_source();
            while missing > 0 {
                let mut chunk = source.next().await?.ok_or_else(removed)?;
                chunk.truncate(usize::try_from(missing).unwrap_or(usize::MAX));
                sum.update(&chunk);
                missing -= chunk.len() as u64;
                sink.write(chunk).await?;
            }
        }
        if sum.finalize() == self.sum.clone().finalize() {
            Ok(sink)
        } else {
            Err(removed())
        }
    }
}

impl Existing {
    /// Whether these bytes come next there.
    async fn is_followed_by(&mut self, mut chunk: &[u8]) -> Result<bool, ContentError> {
        while !chunk.is_empty() {
            if self.ahead.is_empty() {
                match self.source.next().await? {
                    Some(next) => self.ahead = next,
                    None => return Ok(false),
                }
            }
            let common = chunk.len().min(self.ahead.len());
            if chunk[..common] != self.ahead[..common] {
                return Ok(false);
            }
            chunk = &chunk[common..];
            self.ahead.advance(common);
        }
        Ok(true)
    }

    async fn is_at_its_end(&mut self) -> Result<bool, ContentError> {
        while self.ahead.is_empty() {
            match self.source.next().await? {
                Some(next) => self.ahead = next,
                None => return Ok(true),
            }
        }
        Ok(false)
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
