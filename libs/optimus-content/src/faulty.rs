//! A store that does not answer, or sends nothing, when it is told not to, around any other: for tests of what its users do then.

use std::{
    fmt,
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use optimus_common::{JobId, content::Digest};
use tokio::time::sleep;
use uuid::Uuid;

use crate::{Content, ContentError, ContentStore, Holders, Incoming, Sink, Source, Upkept};

/// The other store. A clone is the same.
#[derive(Clone)]
pub struct FaultyContent {
    inner: Arc<dyn ContentStore>,
    is_unreachable: Arc<AtomicBool>,
    is_stalled: Arc<AtomicBool>,
    holds_delay_ms: Arc<AtomicU64>,
    gets: Arc<AtomicU64>,
}

impl FaultyContent {
    pub fn new(inner: Arc<dyn ContentStore>) -> Self {
        Self {
            inner,
            is_unreachable: Arc::default(),
            is_stalled: Arc::default(),
            holds_delay_ms: Arc::default(),
            gets: Arc::default(),
        }
    }

    /// As long as it is, every call fails.
    pub fn set_unreachable(&self, unreachable: bool) {
        self.is_unreachable.store(unreachable, Ordering::SeqCst);
    }

    /// As long as it is, content is there, and nothing of it comes.
    pub fn set_stalled(&self, stalled: bool) {
        self.is_stalled.store(stalled, Ordering::SeqCst);
    }

    /// From here on the answer to each hold comes so much later.
    pub fn delay_holds(&self, delay: Duration) {
        let delay = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        self.holds_delay_ms.store(delay, Ordering::SeqCst);
    }

    /// How often content was asked for, in vain or not.
    pub fn gets(&self) -> u64 {
        self.gets.load(Ordering::SeqCst)
    }

    fn reached(&self) -> Result<&dyn ContentStore, ContentError> {
        if self.is_unreachable.load(Ordering::SeqCst) {
            return Err(ContentError::unavailable("it is switched off"));
        }
        Ok(&*self.inner)
    }
}

#[async_trait]
impl ContentStore for FaultyContent {
    async fn identity(&self) -> Result<Uuid, ContentError> {
        self.reached()?.identity().await
    }

    async fn begin(&self, digest: Digest) -> Result<Incoming, ContentError> {
        self.reached()?.begin(digest).await
    }

    async fn sink(&self, digest: Digest) -> Result<Box<dyn Sink>, ContentError> {
        self.reached()?.sink(digest).await
    }

    fn incoming_memory(&self) -> usize {
        self.inner.incoming_memory()
    }

    fn max_bytes(&self) -> u64 {
        self.inner.max_bytes()
    }

    async fn get(&self, digest: Digest) -> Result<Option<Content>, ContentError> {
        self.gets.fetch_add(1, Ordering::SeqCst);
        let content = self.reached()?.get(digest).await?;
        if self.is_stalled.load(Ordering::SeqCst) {
            return Ok(content.map(|content| Content::new(digest, content.size(), Stalled)));
        }
        Ok(content)
    }

    async fn renew(&self, digests: &[Digest]) -> Result<Vec<Option<u64>>, ContentError> {
        self.reached()?.renew(digests).await
    }

    async fn bound(&self) -> Result<u64, ContentError> {
        self.reached()?.bound().await
    }

    async fn hold(
        &self,
        job: JobId,
        digests: &[Digest],
        most: u64,
    ) -> Result<Vec<Option<u64>>, ContentError> {
        let held = self.reached()?.hold(job, digests, most).await;
        sleep(Duration::from_millis(self.holds_delay_ms.load(Ordering::SeqCst))).await;
        held
    }

    async fn release(&self, job: JobId) -> Result<(), ContentError> {
        self.reached()?.release(job).await
    }

    async fn upkeep(&self, holders: &dyn Holders) -> Result<Upkept, ContentError> {
        self.reached()?.upkeep(holders).await
    }
}

struct Stalled;

#[async_trait]
impl Source for Stalled {
    async fn next(&mut self) -> Result<Option<Bytes>, ContentError> {
        pending().await
    }

    async fn remove(&mut self) -> Result<(), ContentError> {
        Ok(())
    }
}

impl fmt::Debug for FaultyContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultyContent")
            .field("is_unreachable", &self.is_unreachable)
            .finish_non_exhaustive()
    }
}
