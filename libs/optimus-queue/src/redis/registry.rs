//! [`WorkerRegistry`]: one hash of all workers.

use async_trait::async_trait;
use optimus_common::{WorkerId, causes};

use super::{arguments::millis, connection::unavailable, scripts::Call, store::RedisStore};
use crate::{StoreError, WorkerInfo, WorkerRegistry};

#[async_trait]
impl WorkerRegistry for RedisStore {
    async fn heartbeat(&self, worker: &WorkerInfo) -> Result<(), StoreError> {
        let json = serde_json::to_string(worker).map_err(unavailable)?;
        let call = Call::new(&self.scripts.heartbeat, &[self.keys.workers()])
            .arg(worker.id.as_str())
            .arg(json);
        self.control_call(call).await
    }

    async fn deregister(&self, worker: &WorkerId) -> Result<(), StoreError> {
        self.control(redis::cmd("HDEL").arg(self.keys.workers()).arg(worker.as_str()))
            .await
    }

    async fn workers(&self) -> Result<Vec<WorkerInfo>, StoreError> {
        let call = Call::new(&self.scripts.workers, &[self.keys.workers()]).arg(millis(self.queue.lease));
        let entries: Vec<(String, String)> = self.control_call(call).await?;
        let mut workers = Vec::with_capacity(entries.len());
        for (id, entry) in entries {
            let id = WorkerId::from(id);
            match serde_json::from_str::<WorkerInfo>(&entry) {
                Ok(worker) => workers.push(worker),
                // Of a release that says other things. It is there, and what it has is its own.
                Err(error) => {
                    tracing::warn!(worker_id = %id, error = causes(&error), "a worker's announcement cannot be read");
                    workers.push(WorkerInfo {
                        id,
                        host: String::new(),
                        pools: Vec::new(),
                        content: None,
                    });
                }
            }
        }
        workers.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(workers)
    }
}
