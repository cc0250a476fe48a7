//! Content in Redis, for what is small: it is in the memory of the server that keeps the jobs.
//!
//! `optimus:content` stands for the prefix.
//!
//! | key | type | holds |
//! |---|---|---|
//! | `optimus:content:data:<digest>` | string | content |
//! | `optimus:content:sizes` | hash | the bytes of each content |
//! | `optimus:content:versions` | hash | the id under which each content came |
//! | `optimus:content:identity` | string | the name of the store |
//! | `optimus:content:used` | sorted set | digests; score: when it was last used |
//! | `optimus:content:incoming:<id>` | string | what is on its way; expires |
//! | `optimus:content:arriving` | sorted set | ids of what is on its way; score: when it is given up, unless more comes |
//! | `optimus:content:arrived` | hash | what each of them counts for |
//! | `optimus:content:holds` | sorted set | jobs that hold content; score: since when |
//! | `optimus:content:held` | hash | the digests that each of them holds, one after the other |
//! | `optimus:content:held_by` | hash | by how many jobs each digest is held |
//! | `optimus:content:held_sizes` | hash | what each digest counts for that is held and there |
//! | `optimus:content:totals` | hash | `bytes`: of all content, on its way or not; `held`: of what is held |
//!
//! All times are milliseconds since 1970 by Redis' clock. Every script happens wholly or not at all.

mod calls;
mod sink;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use optimus_common::{JobId, content::Digest};
use optimus_content::{
    Content, ContentError, ContentStore, Holders, Incoming, Rules, Sink, Source, Upkept, release_over,
};
use uuid::Uuid;

use self::{
    calls::{BLOCK, ContentCalls, PAGE, PREFIX, Unexpected, failed},
    sink::Appending,
};
use super::{arguments::millis, startup};
use crate::{StoreError, settings::RedisSettings};

/// How often one upkeep calls the script that looks at a page of content: more often than any server has pages.
const PASSES: usize = 10_000;

/// Content in one Redis.
#[derive(Debug, Clone)]
pub struct RedisContent(Arc<ContentCalls>);

impl RedisContent {
    /// As [`RedisContent::open`], and refuses a server that would not keep content.
    pub async fn connect(redis: &RedisSettings, rules: Rules) -> Result<Self, ContentError> {
        let content = Self::open(redis, rules)?;
        let checked = startup::check_for_content(&mut content.0.connections.bulk()).await;
        match checked {
            Ok(()) => Ok(content),
            Err(StoreError::Misconfigured(why)) => Err(ContentError::Misconfigured(why)),
            Err(error) => Err(ContentError::unavailable(error)),
        }
    }

    /// Inside a runtime. The connections are opened at their first use.
    pub fn open(redis: &RedisSettings, rules: Rules) -> Result<Self, ContentError> {
        Ok(Self(Arc::new(ContentCalls::open(redis, rules)?)))
    }
}

/// Content that is read, block by block.
struct Reading {
    store: Arc<ContentCalls>,
    digest: Digest,
    version: String,
    from: u64,
    size: u64,
}

#[async_trait]
impl Source for Reading {
    async fn next(&mut self) -> Result<Option<Bytes>, ContentError> {
        if self.from == self.size {
            return Ok(None);
        }
        let block = self.store.block(self.digest, self.from, self.size).await?;
        self.from += block.len() as u64;
        // None of the bytes that must be there.
        Ok((!block.is_empty()).then(|| block.into()))
    }

    async fn remove(&mut self) -> Result<(), ContentError> {
        let call = self.store.call(&self.store.scripts.forget);
        let call = call.arg(self.digest.to_string()).arg(&self.version);
        let _: u64 = self.store.run(call).await?;
        Ok(())
    }
}

#[async_trait]
impl ContentStore for RedisContent {
    async fn identity(&self) -> Result<Uuid, ContentError> {
        let key = format!("{PREFIX}:identity");
        let connection = &mut self.0.connections.bulk();
        let mut ask = redis::cmd("GET");
        ask.arg(&key);
        let mut known: Option<String> = ask.query_async(connection).await.map_err(failed)?;
        if known.is_none() {
            let mut make = redis::cmd("SET");
            make.arg(&key).arg(Uuid::now_v7().to_string()).arg("NX");
            let () = make.query_async(connection).await.map_err(failed)?;
            known = ask.query_async(connection).await.map_err(failed)?;
        }
        let known = known.ok_or_else(|| ContentError::unavailable(Unexpected))?;
        known.parse().map_err(ContentError::unavailable)
    }

    async fn begin(&self, digest: Digest) -> Result<Incoming, ContentError> {
        Incoming::begin(Arc::new(self.clone()), digest).await
    }

    async fn sink(&self, digest: Digest) -> Result<Box<dyn Sink>, ContentError> {
        Ok(Box::new(Appending::new(Arc::clone(&self.0), digest)))
    }

    fn incoming_memory(&self) -> usize {
        3 * BLOCK
    }

    fn max_bytes(&self) -> u64 {
        self.0.rules.max_bytes
    }

    async fn get(&self, digest: Digest) -> Result<Option<Content>, ContentError> {
        let call = self.0.call(&self.0.scripts.find).arg(digest.to_string());
        let (size, version): (i64, String) = self.0.run(call).await?;
        Ok(u64::try_from(size).ok().map(|size| {
            let reading = Reading {
                store: Arc::clone(&self.0),
                digest,
                version,
                from: 0,
                size,
            };
            Content::new(digest, size, reading)
        }))
    }

    async fn renew(&self, digests: &[Digest]) -> Result<Vec<Option<u64>>, ContentError> {
        self.0.sizes(self.0.call(&self.0.scripts.renew), digests).await
    }

    async fn bound(&self) -> Result<u64, ContentError> {
        Ok(self.0.rules.max_total_bytes)
    }

    async fn hold(
        &self,
        job: JobId,
        digests: &[Digest],
        most: u64,
    ) -> Result<Vec<Option<u64>>, ContentError> {
        let call = self.0.call(&self.0.scripts.hold);
        let call = call.arg(job.to_string()).arg(most);
        self.0.sizes(call, digests).await
    }

    async fn release(&self, job: JobId) -> Result<(), ContentError> {
        let call = self.0.call(&self.0.scripts.release).arg(job.to_string());
        let _: u64 = self.0.run(call).await?;
        Ok(())
    }

    async fn upkeep(&self, holders: &dyn Holders) -> Result<Upkept, ContentError> {
        let ContentCalls { rules, scripts, .. } = &*self.0;
        let mut upkept = release_over(self, self.0.holders().await?, holders).await?;
        for _ in 0..PASSES {
            let call = self.0.call(&scripts.evict).arg(rules.max_total_bytes);
            let call = call.arg(millis(rules.min_kept)).arg(millis(rules.retention));
            let (looked, removed, bytes): (usize, u64, u64) = self.0.run(call.arg(PAGE)).await?;
            upkept.removed += removed;
            upkept.bytes = bytes;
            if looked < PAGE {
                break;
            }
        }
        Ok(upkept)
    }
}
