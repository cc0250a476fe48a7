//! Who works for this store. All of them live in its own process, so nothing of it is kept on disk.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use optimus_common::WorkerId;
use tokio::time::Instant;

use crate::WorkerInfo;

/// What each worker last said, and when.
#[derive(Debug, Default)]
pub(crate) struct LocalWorkers(Mutex<BTreeMap<WorkerId, (Instant, WorkerInfo)>>);

impl LocalWorkers {
    pub(crate) fn announce(&self, worker: &WorkerInfo) {
        self.lock()
            .insert(worker.id.clone(), (Instant::now(), worker.clone()));
    }

    pub(crate) fn forget(&self, worker: &WorkerId) {
        self.lock().remove(worker);
    }

    /// Those heard of lately; the others are forgotten.
    pub(crate) fn alive(&self, longest_silence: Duration) -> Vec<WorkerInfo> {
        let mut workers = self.lock();
        workers.retain(|_, (heard, _)| heard.elapsed() <= longest_silence);
        workers.values().map(|(_, worker)| worker.clone()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<WorkerId, (Instant, WorkerInfo)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
