//! Who wants to hear that something changed about a job.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use optimus_common::JobId;
use tokio::sync::{Notify, futures::Notified};

/// Those who watch a job at the moment.
#[derive(Debug, Default)]
pub(crate) struct Watchers {
    jobs: Mutex<HashMap<JobId, Watched>>,
    /// Told of each job that begins or ceases to be watched.
    listener: Option<Box<dyn Listener>>,
}

/// Who has to know which jobs are watched. Called in order, and must not wait.
pub(crate) trait Listener: std::fmt::Debug + Send + Sync {
    fn begins(&self, job: JobId);
    fn ceases(&self, job: JobId);
}

#[derive(Debug, Default)]
struct Watched {
    by: usize,
    changed: Arc<Notify>,
}

impl Watchers {
    pub(crate) fn with_listener(listener: impl Listener + 'static) -> Self {
        Self {
            jobs: Mutex::default(),
            listener: Some(Box::new(listener)),
        }
    }

    pub(crate) fn watch(self: &Arc<Self>, job: JobId) -> Watch {
        let mut jobs = self.lock();
        let watched = jobs.entry(job).or_default();
        watched.by += 1;
        if watched.by == 1
            && let Some(listener) = &self.listener
        {
            listener.begins(job);
        }
        Watch {
            watchers: Arc::clone(self),
            job,
            changed: Arc::clone(&watched.changed),
        }
    }

    pub(crate) fn wake(&self, job: JobId) {
        if let Some(watched) = self.lock().get(&job) {
            watched.changed.notify_waiters();
        }
    }

    pub(crate) fn wake_all(&self) {
        self.lock()
            .values()
            .for_each(|watched| watched.changed.notify_waiters());
    }

    pub(crate) fn jobs(&self) -> Vec<JobId> {
        self.lock().keys().copied().collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<JobId, Watched>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who watches a job, until it is dropped.
#[derive(Debug)]
pub(crate) struct Watch {
    watchers: Arc<Watchers>,
    job: JobId,
    changed: Arc<Notify>,
}

impl Watch {
    /// Ready at the next change after it was enabled.
    pub(crate) fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut jobs = self.watchers.lock();
        if let Entry::Occupied(mut watched) = jobs.entry(self.job) {
            watched.get_mut().by -= 1;
            if watched.get().by == 0 {
                watched.remove();
                if let Some(listener) = &self.watchers.listener {
                    listener.ceases(self.job);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, Default)]
    struct Notes(Arc<Mutex<Vec<(bool, JobId)>>>);

    impl Listener for Notes {
        fn begins(&self, job: JobId) {
            self.0.lock().unwrap().push((true, job));
        }

        fn ceases(&self, job: JobId) {
            self.0.lock().unwrap().push((false, job));
        }
    }

    #[test]
    fn a_job_is_watched_from_the_first_watch_to_the_last() {
        let notes = Notes::default();
        let watchers = Arc::new(Watchers::with_listener(notes.clone()));
        let (job, other) = (JobId::new(), JobId::new());
        let first = watchers.watch(job);
        let second = watchers.watch(job);
        drop(first);
        let third = watchers.watch(other);
        drop(second);
        assert_eq!(watchers.jobs(), [other]);
        drop(third);
        let expected = [(true, job), (true, other), (false, job), (false, other)];
        assert_eq!(*notes.0.lock().unwrap(), expected);
    }
}
