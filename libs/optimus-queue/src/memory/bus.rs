//! [`EventBus`].

use std::sync::{Arc, Weak};

use async_trait::async_trait;
use optimus_common::{FencingToken, JobId};

use super::store::{MemoryStore, SharedStore};
use crate::{
    EventBus, JobEvents, JobUpdates, Lease, Progress, StoreError,
    follow::{ProgressReader, Read, follow},
};

#[async_trait]
impl EventBus for MemoryStore {
    fn subscribe(&self) -> JobEvents {
        self.inner().notifier.subscribe().into()
    }

    fn publish(&self, lease: &Lease, progress: Progress) {
        self.inner().notifier.progress.publish(lease, progress);
    }

    async fn follow(&self, job: JobId, after: u64) -> Result<Option<JobUpdates>, StoreError> {
        let watch = self.inner().notifier.progress.watchers.watch(job);
        let reader = WeakReader(Arc::downgrade(self.inner()));
        follow(reader, watch, job, after).await
    }
}

/// Who follows a job does not keep the store.
struct WeakReader(Weak<SharedStore>);

#[async_trait]
impl ProgressReader for WeakReader {
    async fn read(&self, job: JobId, after: u64) -> Result<Option<Read>, StoreError> {
        let Some(inner) = self.0.upgrade() else {
            return Ok(None);
        };
        let known = inner.read(|state, now| state.known(job, now).map(|job| (job.status, job.token)));
        let Some((status, token)) = known else {
            return Ok(None);
        };
        Ok(Some(inner.notifier.progress.read(
            job,
            after,
            status,
            FencingToken(token),
        )))
    }
}
