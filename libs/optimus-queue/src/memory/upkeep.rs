//! [`Upkeep`] and [`WorkerRegistry`].

use async_trait::async_trait;
use optimus_common::{JobId, WorkerId};

use super::store::MemoryStore;
use crate::{Audited, Reaped, StoreError, Upkeep, WorkerInfo, WorkerRegistry};

#[async_trait]
impl Upkeep for MemoryStore {
    async fn reap(&self) -> Result<Reaped, StoreError> {
        Ok(self.inner().make(|change| {
            let now = change.now.steady;
            let places = change.state.places.values();
            let over: Vec<JobId> = places
                .flat_map(|places| places.running.iter().take_while(|(until, _)| *until <= now))
                .map(|(_, id)| *id)
                .collect();
            let mut reaped = Reaped::default();
            for id in over {
                let worker = change.state.jobs.get(&id).and_then(|job| job.worker.as_ref());
                let worker = worker.map_or("unknown", WorkerId::as_str);
                let reason = format!("worker {worker} stopped renewing its lease");
                if let Some(taken_back) = change.take_back(id, &reason) {
                    reaped.count(taken_back);
                }
            }
            change.state.expire(now);
            reaped
        }))
    }

    async fn audit(&self) -> Result<Audited, StoreError> {
        Ok(self.inner().make(|change| change.state.audit()))
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

#[async_trait]
impl WorkerRegistry for MemoryStore {
    async fn heartbeat(&self, worker: &WorkerInfo) -> Result<(), StoreError> {
        self.inner().workers.announce(worker);
        self.inner().worker_changed();
        Ok(())
    }

    async fn deregister(&self, worker: &WorkerId) -> Result<(), StoreError> {
        self.inner().workers.forget(worker);
        self.inner().worker_changed();
        Ok(())
    }

    async fn workers(&self) -> Result<Vec<WorkerInfo>, StoreError> {
        Ok(self.inner().workers.alive(self.inner().rules.lease))
    }
}
