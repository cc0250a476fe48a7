//! Content in memory.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use optimus_common::{JobId, content::Digest};
use uuid::Uuid;

use crate::{
    Content, ContentError, ContentStore, Holders, Incoming, Put, Rules, Sink, Source, Upkept, release_over,
    removal::{Entry, removable},
};

/// A store that ends with its process. Its clones share what it has.
#[derive(Debug, Clone)]
pub struct Memory {
    rules: Rules,
    identity: Uuid,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    kept: HashMap<Digest, (Bytes, SystemTime)>,
    holds: HashMap<JobId, (SystemTime, Vec<Digest>)>,
    /// Of what is kept, and of what is on its way.
    bytes: u64,
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What content counts for: it takes memory beside its bytes.
fn charge(bytes: usize) -> u64 {
    const BESIDE: u64 = 256;
    bytes as u64 + BESIDE
}

impl State {
    fn renew(&mut self, digests: &[Digest]) -> Vec<Option<u64>> {
        let now = SystemTime::now();
        let renew = |digest| {
            let (bytes, used) = self.kept.get_mut(digest)?;
            *used = now;
            Some(bytes.len() as u64)
        };
        digests.iter().map(renew).collect()
    }

    /// Whether all that jobs hold is no more than `most` with these.
    fn may_hold(&self, digests: &[Digest], most: u64) -> bool {
        let mut held = self.held();
        let new = digests
            .iter()
            .any(|digest| self.kept.contains_key(digest) && !held.contains(digest));
        held.extend(digests);
        let kept = held.iter().filter_map(|digest| self.kept.get(digest));
        !new || kept.map(|(bytes, _)| charge(bytes.len())).sum::<u64>() <= most
    }

    fn held(&self) -> HashSet<Digest> {
        let held = self.holds.values().flat_map(|(_, digests)| digests);
        held.copied().collect()
    }

    /// Makes all of it together `most` bytes at most, as far as that may be.
    fn remove(&mut self, rules: &Rules, most: u64) -> u64 {
        let entries = self.kept.iter().map(|(digest, (bytes, used))| Entry {
            digest: *digest,
            bytes: charge(bytes.len()),
            used: *used,
        });
        let held = self.held();
        let gone = removable(entries.collect(), &held, rules, SystemTime::now(), most);
        for entry in &gone {
            self.kept.remove(&entry.digest);
            self.bytes -= entry.bytes;
        }
        gone.len() as u64
    }
}

impl Memory {
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            identity: Uuid::now_v7(),
            state: Arc::default(),
        }
    }

    /// Has these bytes from now on in place of what is there, as a damaged store does; nothing, where there are none.
    #[cfg(any(test, feature = "conformance"))]
    pub fn damage(&self, digest: Digest, bytes: Option<Bytes>) {
        let mut state = self.state();
        let Some((old, used)) = state.kept.remove(&digest) else {
            return;
        };
        state.bytes -= charge(old.len());
        if let Some(bytes) = bytes {
            state.bytes += charge(bytes.len());
            state.kept.insert(digest, (bytes, used));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }
}

#[async_trait]
impl ContentStore for Memory {
    async fn identity(&self) -> Result<Uuid, ContentError> {
        Ok(self.identity)
    }

    async fn begin(&self, digest: Digest) -> Result<Incoming, ContentError> {
        Incoming::begin(Arc::new(self.clone()), digest).await
    }

    async fn sink(&self, digest: Digest) -> Result<Box<dyn Sink>, ContentError> {
        let mut sink = Arriving {
            rules: self.rules,
            state: Arc::clone(&self.state),
            digest,
            bytes: BytesMut::new(),
            charged: 0,
        };
        sink.charge(charge(0))?;
        Ok(Box::new(sink))
    }

    fn incoming_memory(&self) -> usize {
        usize::try_from(self.rules.max_bytes).unwrap_or(usize::MAX)
    }

    fn max_bytes(&self) -> u64 {
        self.rules.max_bytes
    }

    async fn get(&self, digest: Digest) -> Result<Option<Content>, ContentError> {
        let kept = self.state().kept.get(&digest).map(|(bytes, _)| bytes.clone());
        Ok(kept.map(|bytes| {
            let reading = MemoryReading {
                state: Arc::clone(&self.state),
                digest,
                bytes,
                is_told: false,
            };
            Content::new(digest, reading.bytes.len() as u64, reading)
        }))
    }

    async fn renew(&self, digests: &[Digest]) -> Result<Vec<Option<u64>>, ContentError> {
        Ok(self.state().renew(digests))
    }

    async fn bound(&self) -> Result<u64, ContentError> {
        Ok(self.rules.max_total_bytes)
    }

    async fn hold(
        &self,
        job: JobId,
        digests: &[Digest],
        most: u64,
    ) -> Result<Vec<Option<u64>>, ContentError> {
        let mut state = self.state();
        if !state.may_hold(digests, most) {
            return Err(ContentError::NoRoom);
        }
        state.holds.insert(job, (SystemTime::now(), digests.to_vec()));
        Ok(state.renew(digests))
    }

    async fn release(&self, job: JobId) -> Result<(), ContentError> {
        self.state().holds.remove(&job);
        Ok(())
    }

    async fn upkeep(&self, holders: &dyn Holders) -> Result<Upkept, ContentError> {
        let old = {
            let state = self.state();
            let holds = state.holds.iter().map(|(job, (since, _))| (*job, *since));
            self.rules.old_holds(holds, SystemTime::now())
        };
        let mut upkept = release_over(self, old, holders).await?;
        let mut state = self.state();
        upkept.removed = state.remove(&self.rules, self.rules.max_total_bytes);
        upkept.bytes = state.bytes;
        Ok(upkept)
    }
}

struct MemoryReading {
    state: Arc<Mutex<State>>,
    digest: Digest,
    bytes: Bytes,
    is_told: bool,
}

#[async_trait]
impl Source for MemoryReading {
    async fn next(&mut self) -> Result<Option<Bytes>, ContentError> {
        let is_told = std::mem::replace(&mut self.is_told, true);
        Ok((!is_told).then(|| self.bytes.clone()))
    }

    async fn remove(&mut self) -> Result<(), ContentError> {
        let mut state = locked(&self.state);
        // Bytes that are kept here lie where nothing else does.
        let is_same = |kept: &Bytes| kept.as_ptr() == self.bytes.as_ptr() && kept.len() == self.bytes.len();
        if state
            .kept
            .get(&self.digest)
            .is_some_and(|(kept, _)| is_same(kept))
        {
            state.kept.remove(&self.digest);
            state.bytes -= charge(self.bytes.len());
        }
        Ok(())
    }
}

struct Arriving {
    rules: Rules,
    state: Arc<Mutex<State>>,
    digest: Digest,
    bytes: BytesMut,
    charged: u64,
}

impl Arriving {
    fn charge(&mut self, more: u64) -> Result<(), ContentError> {
        let most = self.rules.max_total_bytes;
        let mut state = locked(&self.state);
        if state.bytes + more > most {
            let arriving = state.bytes
                - state
                    .kept
                    .values()
                    .map(|(bytes, _)| charge(bytes.len()))
                    .sum::<u64>();
            let room = self.rules.total_after_removal().saturating_sub(arriving + more);
            state.remove(&self.rules, room);
        }
        if state.bytes + more > most {
            return Err(ContentError::NoRoom);
        }
        state.bytes += more;
        self.charged += more;
        Ok(())
    }
}

#[async_trait]
impl Sink for Arriving {
    async fn write(&mut self, chunk: Bytes) -> Result<(), ContentError> {
        self.charge(chunk.len() as u64)?;
        self.bytes.extend_from_slice(&chunk);
        Ok(())
    }

    async fn keep(mut self: Box<Self>) -> Result<Put, ContentError> {
        let bytes = std::mem::take(&mut self.bytes).freeze();
        let mut state = locked(&self.state);
        if state.renew(&[self.digest]) != [None] {
            return Ok(Put::Existing);
        }
        state.kept.insert(self.digest, (bytes, SystemTime::now()));
        drop(state);
        self.charged = 0;
        Ok(Put::New)
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        locked(&self.state).bytes -= self.charged;
    }
}
