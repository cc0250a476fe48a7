//! [`EventBus`]: the process' subscription, and what was told of each job.

use async_trait::async_trait;
use optimus_common::JobId;

use super::{progress::StreamReader, store::RedisStore};
use crate::{EventBus, JobEvents, JobUpdates, Lease, Progress, StoreError, follow::follow};

#[async_trait]
impl EventBus for RedisStore {
    fn subscribe(&self) -> JobEvents {
        self.feed.subscribe().into()
    }

    fn publish(&self, lease: &Lease, progress: Progress) {
        self.publisher.publish(lease, &progress);
    }

    async fn follow(&self, job: JobId, after: u64) -> Result<Option<JobUpdates>, StoreError> {
        let watch = self.feed.watch(job);
        let reader = StreamReader {
            connections: self.connections.clone(),
            keys: self.keys.clone(),
            replicas: self.replicas,
        };
        follow(reader, watch, job, after).await
    }
}
