//! The lease renewer: renews one job's lease for as long as the job runs, and says when the job must stop.

use std::{sync::Arc, time::Duration};

use optimus_common::causes;
use optimus_queue::{JobEvent, JobEvents, JobQueue, Lease, Renewal, settings::QueueSettings};
use optimus_service::Backoff;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// Why a job must stop before its verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The client wants it cancelled.
    Cancelled,
    /// Another owner has it, or it is finished.
    Lost,
    /// It could not be renewed in time. The store may give the job to another worker soon.
    NotRenewed,
    /// This worker leaves and its time for finishing is over.
    GivenBack,
}

/// How a lease is kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timing {
    /// From one renewal to the next.
    pub(crate) renew: Duration,
    /// How long after the last successful renewal the job may still run.
    pub(crate) grace: Duration,
}

impl From<&QueueSettings> for Timing {
    fn from(queue: &QueueSettings) -> Self {
        Self {
            renew: queue.renew,
            grace: queue.lease.saturating_sub(queue.safety_margin),
        }
    }
}

/// Keeps one lease until it is dropped or the job must stop.
pub(crate) struct LeaseRenewer {
    pub(crate) store: Arc<dyn JobQueue>,
    pub(crate) lease: Lease,
    pub(crate) timing: Timing,
    /// When the claim was asked for: the lease began then or later.
    pub(crate) claimed: Instant,
    /// Subscribed before the claim, so that no cancel can fall between the two.
    pub(crate) events: JobEvents,
    /// Cancelled when the worker's time for draining is over.
    pub(crate) give_back: CancellationToken,
}

impl LeaseRenewer {
    /// Returns when the job must stop, and why.
    ///
    /// Time is counted from the start of a renewal, never from its answer: the store's lease began in between.
    pub(crate) async fn run(mut self) -> Stop {
        let mut deadline = self.claimed + self.timing.grace;
        let mut next = self.claimed + self.timing.renew;
        // Short next to the grace that is left: a store that is back for a moment must not be missed.
        let mut backoff = Backoff::new(self.timing.renew / 20, self.timing.renew / 5);
        loop {
            tokio::select! {
                biased;
                () = self.give_back.cancelled() => return Stop::GivenBack,
                () = sleep_until(deadline) => return Stop::NotRenewed,
                event = next_event(&mut self.events, &self.lease) => match event {
                    LeaseEvent::Cancel => return Stop::Cancelled,
                    LeaseEvent::Missed => next = Instant::now(),
                },
                () = sleep_until(next) => {
                    let asked = Instant::now();
                    match timeout_at(deadline, self.store.renew(&self.lease)).await {
                        Ok(Ok(Renewal::Held)) => {
                            deadline = asked + self.timing.grace;
                            next = asked + self.timing.renew;
                            backoff.reset();
                        }
                        Ok(Ok(Renewal::CancelRequested)) => return Stop::Cancelled,
                        Ok(Ok(Renewal::Lost)) => return Stop::Lost,
                        Ok(Err(error)) => {
                            warn!(error = causes(&error), "lease not renewed yet");
                            next = Instant::now() + backoff.next_delay();
                        }
                        Err(_) => return Stop::NotRenewed,
                    }
                }
            }
        }
    }
}

enum LeaseEvent {
    Cancel,
    /// Events were lost; the store must be asked.
    Missed,
}

/// Waits for an event that matters to this lease; for ever where there are no more events.
async fn next_event(events: &mut JobEvents, lease: &Lease) -> LeaseEvent {
    loop {
        match events.next().await {
            Some(JobEvent::CancelRequested(job)) if job == lease.job => return LeaseEvent::Cancel,
            Some(JobEvent::Missed) => return LeaseEvent::Missed,
            Some(_) => {}
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use optimus_common::JobId;
    use optimus_queue::EventBus;
    use tokio::task::JoinHandle;

    use super::*;
    use crate::fakes::{self, FakeStore, FakeStoreExt};

    const TIMING: Timing = Timing {
        renew: Duration::from_secs(10),
        grace: Duration::from_secs(25),
    };

    struct Kept {
        store: FakeStore,
        job: JobId,
        begun: Instant,
        give_back: CancellationToken,
        end: JoinHandle<Stop>,
    }

    impl Kept {
        /// How the keeping ended, and after how many seconds.
        async fn end(self) -> (Stop, u64) {
            let stop = self.end.await.unwrap();
            (stop, self.begun.elapsed().as_secs())
        }
    }

    async fn keep() -> Kept {
        let store = fakes::store();
        let job = store.put(fakes::submission("hang", &[("", "")])).await;
        let begun = Instant::now();
        let events = store.subscribe();
        let claim = store
            .claim(&"python".parse().unwrap(), &"me".to_owned().into())
            .await
            .unwrap()
            .unwrap();
        let give_back = CancellationToken::new();
        let renewer = LeaseRenewer {
            store: Arc::new(store.clone()),
            lease: claim.lease,
            timing: TIMING,
            claimed: begun,
            events,
            give_back: give_back.clone(),
        };
        Kept {
            store,
            job,
            begun,
            give_back,
            end: tokio::spawn(renewer.run()),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_is_renewed_in_time_for_as_long_as_the_job_runs() {
        let kept = keep().await;
        tokio::time::sleep(Duration::from_secs(101)).await;
        assert_eq!(kept.store.renewals(), 10);
        assert!(!kept.end.is_finished());
        kept.end.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn a_cancel_is_heard_at_once() {
        let kept = keep().await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        kept.store.cancel(kept.job).await.unwrap();
        assert_eq!(kept.end().await, (Stop::Cancelled, 3));
    }

    #[tokio::test(start_paused = true)]
    async fn a_cancel_whose_event_was_lost_is_heard_with_the_next_renewal() {
        let kept = keep().await;
        kept.store.cancel_silently(kept.job).await;
        assert_eq!(kept.end().await, (Stop::Cancelled, 10));
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_that_another_worker_has_is_lost() {
        let kept = keep().await;
        kept.store.take_away(kept.job).await;
        assert_eq!(kept.end().await, (Stop::Lost, 10));
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_stops_before_a_lease_that_cannot_be_renewed_expires() {
        let kept = keep().await;
        tokio::time::sleep(Duration::from_secs(15)).await;
        kept.store.set_unreachable(true);
        assert_eq!(kept.end().await, (Stop::NotRenewed, 10 + 25));
    }

    #[tokio::test(start_paused = true)]
    async fn a_short_absence_of_the_store_is_no_reason_to_stop() {
        let kept = keep().await;
        for _ in 0..10 {
            kept.store.set_unreachable(true);
            tokio::time::sleep(Duration::from_secs(12)).await;
            kept.store.set_unreachable(false);
            tokio::time::sleep(Duration::from_secs(8)).await;
        }
        assert!(!kept.end.is_finished());
        kept.end.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_is_given_back_when_the_time_for_draining_is_over() {
        let kept = keep().await;
        kept.give_back.cancel();
        assert_eq!(kept.end().await, (Stop::GivenBack, 0));
    }
}
