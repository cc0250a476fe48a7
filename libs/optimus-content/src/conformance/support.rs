//! Contents and rules of the suite.

use std::{
    collections::HashSet, error::Error, future::poll_fn, pin::pin, sync::Mutex, task::Poll, time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use optimus_common::{JobId, content::Digest};
use sha2::{Digest as _, Sha256};
use tokio::time::sleep;

use super::StoreFactory;
use crate::{ContentError, ContentStore, Holders, Put, Rules};

/// Bytes of each content of [`numbered`].
pub(super) const SIZE: u64 = 20_000;

pub(super) fn digest_of(bytes: &[u8]) -> Digest {
    Digest::from(<[u8; 32]>::from(Sha256::digest(bytes)))
}

/// One of many contents.
pub(super) fn numbered(number: u8) -> (Digest, Vec<u8>) {
    let bytes: Vec<_> = (0..SIZE).map(|i| number.wrapping_add((i % 251) as u8)).collect();
    (digest_of(&bytes), bytes)
}

/// Puts `bytes` in pieces, under that name.
pub(super) async fn put_as(
    store: &dyn ContentStore,
    digest: Digest,
    bytes: &[u8],
) -> Result<Put, ContentError> {
    let mut incoming = store.begin(digest).await?;
    for chunk in bytes.chunks(7_777) {
        incoming.write(Bytes::copy_from_slice(chunk)).await?;
    }
    incoming.finish().await
}

pub(super) async fn put(store: &dyn ContentStore, number: u8) -> Digest {
    let (digest, bytes) = numbered(number);
    put_as(store, digest, &bytes).await.unwrap();
    digest
}

/// Reads content, which is no use of it.
pub(super) async fn read(store: &dyn ContentStore, digest: Digest) -> Option<Vec<u8>> {
    let content = store.get(digest).await.unwrap()?;
    let size = content.size();
    let bytes = content.into_bytes(size).await.unwrap();
    assert_eq!(bytes.len() as u64, size);
    Some(bytes.to_vec())
}

pub(super) async fn is_there(store: &dyn ContentStore, digest: Digest) -> bool {
    store.get(digest).await.unwrap().is_some()
}

/// Nothing goes by itself in the time of a test.
pub(super) fn patient() -> Rules {
    Rules {
        max_bytes: 8 << 20,
        max_total_bytes: 1 << 30,
        retention: Duration::from_hours(1),
        min_kept: Duration::from_hours(1),
    }
}

/// What is not used for a few ticks goes.
pub(super) fn hasty(factory: &dyn StoreFactory) -> Rules {
    Rules {
        retention: 3 * factory.tick(),
        min_kept: Duration::ZERO,
        ..patient()
    }
}

/// Room for so many contents of [`numbered`], which are used for a long time, and make room at once.
pub(super) fn narrow(factory: &dyn StoreFactory, contents: u64) -> Rules {
    Rules {
        max_total_bytes: contents * (SIZE + factory.beside()),
        min_kept: Duration::ZERO,
        ..patient()
    }
}

/// Jobs, all of which are under way except those that are over.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    over: Mutex<HashSet<JobId>>,
    pub(super) asked: Mutex<HashSet<JobId>>,
}

impl Jobs {
    pub(super) fn end(&self, job: JobId) {
        self.over.lock().unwrap().insert(job);
    }
}

#[async_trait]
impl Holders for Jobs {
    async fn is_over(&self, job: JobId) -> Result<bool, Box<dyn Error + Send + Sync>> {
        self.asked.lock().unwrap().insert(job);
        Ok(self.over.lock().unwrap().contains(&job))
    }
}

/// A store of jobs that does not answer.
#[derive(Debug)]
pub(super) struct Unreachable;

#[async_trait]
impl Holders for Unreachable {
    async fn is_over(&self, _: JobId) -> Result<bool, Box<dyn Error + Send + Sync>> {
        Err("unreachable".into())
    }
}

/// A store of jobs in which all are over, and the record of one cannot be read.
#[derive(Debug)]
pub(super) struct AllButOne(pub(super) JobId);

#[async_trait]
impl Holders for AllButOne {
    async fn is_over(&self, job: JobId) -> Result<bool, Box<dyn Error + Send + Sync>> {
        if job == self.0 {
            return Err("damaged".into());
        }
        Ok(true)
    }
}

/// Polls that many times at most, each time when there is something new, and drops it. Whether it came to its end.
pub(crate) async fn given_up_after(polls: u32, future: impl Future) -> bool {
    let mut future = pin!(future);
    let mut left = polls;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(false);
        }
        left -= 1;
        match future.as_mut().poll(context) {
            Poll::Ready(_) => Poll::Ready(true),
            Poll::Pending if left == 0 => Poll::Ready(false),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Does the upkeep until this content is gone.
pub(super) async fn gone(store: &dyn ContentStore, jobs: &Jobs, digest: Digest, tick: Duration) {
    while is_there(store, digest).await {
        sleep(tick / 2).await;
        store.upkeep(jobs).await.unwrap();
    }
}
