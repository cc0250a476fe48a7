//! [`EventBus`]: whoever listens is in the store's own process.

use std::sync::{Arc, Weak};

use async_trait::async_trait;
use optimus_common::{FencingToken, JobId, job::JobStatus};

use super::{context::StoreContext, queries, reader::Reader, store::SqliteStore};
use crate::{
    EventBus, JobEvents, JobUpdates, Lease, Progress, StoreError,
    encoding::status_from,
    follow::{ProgressReader, Read, follow},
};

#[async_trait]
impl EventBus for SqliteStore {
    fn subscribe(&self) -> JobEvents {
        self.context.notifier.subscribe().into()
    }

    fn publish(&self, lease: &Lease, progress: Progress) {
        self.context.notifier.progress.publish(lease, progress);
    }

    async fn follow(&self, job: JobId, after: u64) -> Result<Option<JobUpdates>, StoreError> {
        let watch = self.context.notifier.progress.watchers.watch(job);
        let reader = LocalReader {
            context: Arc::downgrade(&self.context),
            reader: Arc::downgrade(&self.reader),
        };
        follow(reader, watch, job, after).await
    }
}

/// Weak: who follows a job does not keep the database open.
struct LocalReader {
    context: Weak<StoreContext>,
    reader: Weak<Reader>,
}

#[async_trait]
impl ProgressReader for LocalReader {
    async fn read(&self, job: JobId, after: u64) -> Result<Option<Read>, StoreError> {
        let (Some(context), Some(reader)) = (self.context.upgrade(), self.reader.upgrade()) else {
            return Ok(None);
        };
        let now = context.clock.now();
        let known = reader
            .ask(move |db| queries::status(db, &job.to_string(), now))
            .await?;
        let Some((status, token)) = known else {
            return Ok(None);
        };
        let status: JobStatus = status_from(&status).map_err(|source| StoreError::Damaged { job, source })?;
        let token = FencingToken(token.cast_unsigned());
        Ok(Some(context.notifier.progress.read(job, after, status, token)))
    }
}
