//! [`WorkerRegistry`]: all workers live in the store's own process.

use async_trait::async_trait;
use optimus_common::WorkerId;

use super::store::SqliteStore;
use crate::{StoreError, WorkerInfo, WorkerRegistry};

#[async_trait]
impl WorkerRegistry for SqliteStore {
    async fn heartbeat(&self, worker: &WorkerInfo) -> Result<(), StoreError> {
        self.workers.announce(worker);
        Ok(())
    }

    async fn deregister(&self, worker: &WorkerId) -> Result<(), StoreError> {
        self.workers.forget(worker);
        Ok(())
    }

    async fn workers(&self) -> Result<Vec<WorkerInfo>, StoreError> {
        Ok(self.workers.alive(self.lease))
    }
}
