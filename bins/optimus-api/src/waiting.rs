//! Requests that wait for a job to end.
//!
//! One task listens to the store's events and wakes the requests concerned. Events may get lost, so each waiting
//! request also looks by itself, seldom.

use std::{
    collections::HashMap,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use optimus_common::JobId;
use optimus_queue::{JobEvent, JobEvents, JobQueue, StoreError, StoredJob};
use optimus_service::supervise::supervise;
use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;

use crate::connections::{self, Standing};

/// How often a waiting request looks at its job without being woken.
const LOOK: Duration = Duration::from_millis(500);

/// The requests that wait at the moment.
#[derive(Debug)]
pub(crate) struct Waiting {
    by_job: Mutex<HashMap<JobId, Vec<Arc<Notify>>>>,
    /// Cancelled when the server goes down: every request answers what it knows.
    closing: CancellationToken,
}

impl Waiting {
    pub(crate) fn new(closing: CancellationToken) -> Self {
        Self {
            by_job: Mutex::default(),
            closing,
        }
    }

    /// Announces a request that will wait for this job. Whatever happens to the job from here on wakes it.
    pub(crate) fn register(self: &Arc<Self>, job: JobId) -> Waiter {
        let woken = Arc::new(Notify::new());
        self.with(|by_job| by_job.entry(job).or_default().push(Arc::clone(&woken)));
        Waiter {
            waiting: Arc::clone(self),
            job,
            woken,
        }
    }

    /// How many requests wait.
    pub(crate) fn count(&self) -> usize {
        self.with(|by_job| by_job.values().map(Vec::len).sum())
    }

    /// Wakes waiting requests by the store's events, until the store is gone.
    pub(crate) async fn keep_waking(
        self: Arc<Self>,
        subscribe: impl Fn() -> JobEvents + Clone + Send + 'static,
    ) {
        supervise("waking requests that wait", || {
            let (waiting, subscribe) = (Arc::clone(&self), subscribe.clone());
            async move { waiting.dispatch(subscribe()).await }
        })
        .await;
    }

    async fn dispatch(&self, mut events: JobEvents) {
        while let Some(event) = events.next().await {
            match event {
                JobEvent::Finished(job) => self.wake(Some(job)),
                JobEvent::CancelRequested(_) => {}
                JobEvent::Missed => {
                    tracing::debug!("events of the store were missed");
                    self.wake(None);
                }
            }
        }
    }

    /// Wakes those that wait for this job, or everybody.
    fn wake(&self, job: Option<JobId>) {
        self.with(|by_job| match job {
            Some(job) => by_job
                .get(&job)
                .into_iter()
                .flatten()
                .for_each(|waiter| waiter.notify_one()),
            None => by_job.values().flatten().for_each(|waiter| waiter.notify_one()),
        });
    }

    fn with<T>(&self, use_map: impl FnOnce(&mut HashMap<JobId, Vec<Arc<Notify>>>) -> T) -> T {
        use_map(&mut self.by_job.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Where a request has the id of its job from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IdSource {
    /// The store has just taken the job.
    Store,
    /// A client names it, so there need be no such job.
    Client,
}

/// How long a request waits: until its time is over, and for as long as nobody needs its place.
pub(crate) struct WaitLimit {
    pub(crate) deadline: Instant,
    /// `None` for a request that came over no connection of a server.
    pub(crate) standing: Option<Standing>,
}

/// One request's interest in a job; dropping it ends the interest.
pub(crate) struct Waiter {
    waiting: Arc<Waiting>,
    job: JobId,
    woken: Arc<Notify>,
}

impl Waiter {
    /// Returns the job as soon as it is terminal, else as it is at the deadline, or when the request's place is needed.
    ///
    /// A store that fails is asked again until the deadline, but only for a job that is known to exist.
    pub(crate) async fn wait(
        &self,
        store: &dyn JobQueue,
        source: IdSource,
        WaitLimit { deadline, standing }: WaitLimit,
    ) -> Result<Option<StoredJob>, StoreError> {
        let closing = &self.waiting.closing;
        let mut place_lost = pin!(connections::lost(standing));
        let mut is_needed = false;
        let mut is_known = source == IdSource::Store;
        loop {
            let found = store.lookup(self.job).await;
            let over = is_needed || Instant::now() >= deadline || closing.is_cancelled();
            match found {
                Ok(Some(job)) if over || job.record.status.is_terminal() => return Ok(Some(job)),
                Ok(None) => return Ok(None),
                Err(error) if over || !is_known => return Err(error),
                Ok(Some(_)) => is_known = true,
                Err(_) => {}
            }
            let look = deadline.min(Instant::now() + LOOK);
            tokio::select! {
                _ = timeout_at(look, self.woken.notified()) => {}
                () = &mut place_lost => is_needed = true,
                () = closing.cancelled() => {}
            }
        }
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.waiting.with(|by_job| {
            if let Some(waiters) = by_job.get_mut(&self.job) {
                waiters.retain(|woken| !Arc::ptr_eq(woken, &self.woken));
                if waiters.is_empty() {
                    by_job.remove(&self.job);
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use tokio::{sync::broadcast::Sender, time::sleep};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn requests_are_woken_after_a_panic() {
        let waiting = Arc::new(Waiting::new(CancellationToken::new()));
        let waiter = waiting.register(JobId::new());
        let (events, broken) = (Sender::new(1), AtomicBool::new(false));
        let (events, broken) = (Arc::new(events), Arc::new(broken));
        let subscribed = Arc::clone(&events);
        let waking = tokio::spawn(Arc::clone(&waiting).keep_waking(move || {
            assert!(broken.swap(true, Ordering::SeqCst), "as asked for");
            subscribed.subscribe().into()
        }));
        // Time passes by itself: from the panic to the next attempt.
        while events.receiver_count() == 0 {
            sleep(Duration::from_millis(100)).await;
        }
        events.send(JobEvent::Finished(waiter.job)).unwrap();
        waiter.woken.notified().await;
        waking.abort();
    }

    #[test]
    fn a_dropped_waiter_leaves_nothing_behind() {
        let waiting = Arc::new(Waiting::new(CancellationToken::new()));
        let job = JobId::new();
        let first = waiting.register(job);
        let second = waiting.register(job);
        drop(first);
        assert_eq!(waiting.count(), 1);
        drop(second);
        assert!(waiting.with(|by_job| by_job.is_empty()));
    }
}
