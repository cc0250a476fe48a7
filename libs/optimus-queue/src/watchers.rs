//! Who wants to hear that something changed about a job.

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use optimus_common::JobId;
use tokio::sync::{Notify, futures::Notified};

/// Those who watch a job at the moment.
#[derive(Debug, Default)]
pub(crate) struct Watchers {
    jobs: Mutex<HashMap<JobId, Watched>>,
    /// That a job has begun or ceased to be watched.
    others: Notify,
}

#[derive(Debug, Default)]
struct Watched {
    by: usize,
    changed: Arc<Notify>,
}

impl Watchers {
    pub(crate) fn watch(self: &Arc<Self>, job: JobId) -> Watch {
        let mut jobs = self.lock();
        let watched = jobs.entry(job).or_default();
        watched.by += 1;
        let changed = Arc::clone(&watched.changed);
        if watched.by == 1 {
            self.others.notify_one();
        }
        Watch {
            watchers: Arc::clone(self),
            job,
            changed,
        }
    }

    /// Ready when other jobs are watched than when it was ready before, for one who waits. However many changes there
    /// were, they are one.
    pub(crate) async fn watch_others(&self) {
        self.others.notified().await;
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

    pub(crate) fn jobs(&self) -> HashSet<JobId> {
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
                self.watchers.others.notify_one();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn a_job_is_watched_from_the_first_watch_to_the_last() {
        let watchers = Arc::new(Watchers::default());
        let (job, other) = (JobId::new(), JobId::new());
        let others = || watchers.watch_others().now_or_never().is_some();
        let first = watchers.watch(job);
        assert!(others());
        let second = watchers.watch(job);
        drop(first);
        assert!(!others(), "it is watched still");
        let third = watchers.watch(other);
        drop(second);
        assert_eq!(watchers.jobs(), HashSet::from([other]));
        assert!(others() && !others(), "many changes are one");
        drop(third);
        assert!(others() && watchers.jobs().is_empty());
    }
}
