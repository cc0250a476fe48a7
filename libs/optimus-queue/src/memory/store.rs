//! The store as a whole.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use optimus_common::{FencingToken, JobId, LanguageName};
use tokio::{sync::Notify, time::Instant};

use super::state::State;
use crate::{
    JobEvent,
    local_workers::LocalWorkers,
    notifier::{Notification, Notifier},
    settings::QueueSettings,
};

/// Jobs in this process' memory. A clone is the same store.
#[derive(Debug, Clone)]
pub struct MemoryStore(Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    state: Mutex<State>,
    pub(super) rules: QueueSettings,
    pub(super) notifier: Notifier,
    pub(super) workers: LocalWorkers,
    /// Notified of every transition.
    changed: Notify,
}

/// One transition while it is made: time stands still, and what it tells is heard when it is over.
pub(super) struct Change<'a> {
    pub(super) state: &'a mut State,
    pub(super) rules: &'a QueueSettings,
    pub(super) now: Moment,
    told: Vec<Notification>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    /// Leases, delays and expiry are counted on this one. It is Tokio's, so a test can let it stand still.
    pub(super) steady: Instant,
    /// The time that records show.
    pub(super) wall: Timestamp,
}

impl Change<'_> {
    pub(super) fn tell(&mut self, event: JobEvent) {
        self.told.push(Notification::Event(event));
    }

    pub(super) fn tell_leased(&mut self, job: JobId, token: FencingToken) {
        self.told.push(Notification::Leased(job, token));
    }

    pub(super) fn tell_given_back(&mut self, job: JobId) {
        self.told.push(Notification::GivenBack(job));
    }

    pub(super) fn tell_work(&mut self, language: &LanguageName) {
        self.told.push(Notification::Work(language.to_string()));
    }
}

impl MemoryStore {
    pub fn new(queue: &QueueSettings) -> Self {
        Self(Arc::new(Inner {
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

    pub(super) fn inner(&self) -> &Arc<Inner> {
        &self.0
    }
}

impl Inner {
    pub(super) fn make<T>(&self, transition: impl FnOnce(&mut Change<'_>) -> T) -> T {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut change = Change {
            state: &mut state,
            rules: &self.rules,
            now: Moment {
                steady: Instant::now(),
                wall: Timestamp::now(),
            },
            told: Vec::new(),
        };
        let answer = transition(&mut change);
        let told = change.told;
        drop(state);
        for notification in told {
            self.notifier.notify(notification);
        }
        self.changed.notify_waiters();
        answer
    }

    /// What changes nothing.
    pub(super) fn read<T>(&self, question: impl FnOnce(&State, Instant) -> T) -> T {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        question(&state, Instant::now())
    }

    pub(super) fn worker_changed(&self) {
        self.changed.notify_waiters();
    }
}
