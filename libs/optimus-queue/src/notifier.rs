//! What the store tells this process: events, and that there may be work.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use optimus_common::{FencingToken, JobId};
use tokio::sync::{Notify, broadcast};

use crate::{JobEvent, local_progress::LocalProgress};

/// Events kept for a receiver that is slow; it is told when it missed some.
const BACKLOG: usize = 4096;

/// Something others want to hear, once it is on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Notification {
    Event(JobEvent),
    /// A job of this language waits, or will after a backoff.
    Work(String),
    /// A job is held under this token, and under no other.
    Leased(JobId, FencingToken),
    /// A job is held by nobody, and not over.
    GivenBack(JobId),
}

#[derive(Debug)]
pub(crate) struct Notifier {
    events: broadcast::Sender<JobEvent>,
    pub(crate) progress: LocalProgress,
    /// One for each language that was ever waited for.
    waiting: Mutex<HashMap<String, Arc<Notify>>>,
}

impl Notifier {
    pub(crate) fn new() -> Self {
        Self {
            events: broadcast::Sender::new(BACKLOG),
            progress: LocalProgress::default(),
            waiting: Mutex::default(),
        }
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<JobEvent> {
        self.events.subscribe()
    }

    /// Notified when there may be work for this language.
    pub(crate) fn work_for(&self, language: &str) -> Arc<Notify> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.entry(language.to_owned()).or_default().clone()
    }

    pub(crate) fn notify(&self, notification: Notification) {
        match notification {
            Notification::Leased(job, token) => self.progress.begin(job, token),
            Notification::GivenBack(job) => self.progress.pause(job),
            Notification::Event(event) => {
                if let JobEvent::Finished(job) = event {
                    self.progress.end(job);
                }
                // Nobody listening is no error.
                let _ = self.events.send(event);
            }
            Notification::Work(language) => {
                let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(waiting) = waiting.get(&language) {
                    waiting.notify_waiters();
                }
            }
        }
    }
}
