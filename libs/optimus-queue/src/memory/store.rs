//! The store as a whole.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::{sync::Notify, time::Instant};

use super::{change::Change, state::State};
use crate::{local_workers::LocalWorkers, notifier::Notifier, settings::QueueSettings};

/// Jobs in this process' memory. A clone is the same store.
#[derive(Debug, Clone)]
pub struct MemoryStore(Arc<SharedStore>);

#[derive(Debug)]
pub(super) struct SharedStore {
    state: Mutex<State>,
    pub(super) rules: QueueSettings,
    pub(super) notifier: Notifier,
    pub(super) workers: LocalWorkers,
    /// Notified of every transition.
    changed: Notify,
}

impl MemoryStore {
    pub fn new(queue: &QueueSettings) -> Self {
        Self(Arc::new(SharedStore {
            state: Mutex::default(),
            rules: queue.clone(),
            notifier: Notifier::new(),
            workers: LocalWorkers::default(),
            changed: Notify::new(),
        }))
    }

    /// Notified of every change of a job or a worker.
    pub fn changed(&self) -> &Notify {
        &self.0.changed
    }

    /// As if every lease had just run out: the next [`Upkeep::reap`](crate::Upkeep::reap) takes the jobs back.
    pub fn expire_leases(&self) {
        self.0
            .make(|change| change.state.expire_leases(change.now.steady));
    }

    pub(super) fn inner(&self) -> &Arc<SharedStore> {
        &self.0
    }
}

impl SharedStore {
    pub(super) fn make<T>(&self, transition: impl FnOnce(&mut Change<'_>) -> T) -> T {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut change = Change::begin(&mut state, &self.rules);
        let answer = transition(&mut change);
        let told = change.told();
        drop(state);
        for notification in told {
            self.notifier.notify(notification);
        }
        self.changed.notify_waiters();
        answer
    }

    /// Answers a question that changes nothing.
    pub(super) fn read<T>(&self, question: impl FnOnce(&State, Instant) -> T) -> T {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        question(&state, Instant::now())
    }

    pub(super) fn worker_changed(&self) {
        self.changed.notify_waiters();
    }
}
