//! The worker: claims jobs, runs each in a box of its own, and finishes it.
//!
//! - [`Worker::run`]: announcement, work, and a clean departure
//! - [`ServedLanguages`]: which languages are served, also after their file has changed
//! - [`backend`]: where boxes come from, and why
//! - `pools`: one pool for each language
//! - [`proof`]: whether a program of a language runs in a box
//! - `box_spec`: what a language asks of its boxes
//! - `pool`: one language's slots, warm boxes and claim loop
//! - `job`: the way of one job, from its claim to its end
//! - `grading`: the conversation with the box, from which the verdicts come
//! - [`joined`]: the same with the boxes of two programs that talk to each other
//! - `spans`, [`WorkerMetrics`]: what is seen of all that from outside; `observer`: what they learn from a box
//! - `lease`: keeps a job's lease and says when the job must stop
//! - `pool_state`: what a pool is doing, for the heartbeat; `pool_states`: what all of them are
//! - `housekeeping`: heartbeat, expired leases, audit, orphaned boxes
#![forbid(unsafe_code)]

pub mod backend;
mod box_spec;
#[cfg(test)]
mod fakes;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod grading;
mod housekeeping;
mod job;
pub mod joined;
mod lease;
mod metrics;
mod observer;
mod pool;
mod pool_state;
mod pool_states;
mod pools;
pub mod proof;
mod served_languages;
pub mod settings;
mod spans;
#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc, time::Duration};

use optimus_common::{WorkerId, causes};
use optimus_content::{ContentStore, Fetcher};
use optimus_queue::JobStore;
use optimus_sandbox::{Backend, provider::BoxProvider};
use tokio::{
    sync::Semaphore,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::{
    housekeeping::{Heartbeat, Intervals},
    pool_states::PoolStates,
    pools::Pools,
};

pub use crate::{
    metrics::WorkerMetrics,
    proof::{Availability, prove},
    served_languages::{ServedLanguages, ServedLanguagesError},
    settings::Settings,
};

/// How long giving jobs back, destroying boxes and signing off may take, after the time for draining.
const DRAIN_GRACE: Duration = Duration::from_secs(10);

/// A worker and what it works with.
pub struct Worker {
    /// The same that `backend` labels its boxes with.
    pub id: WorkerId,
    pub settings: Arc<Settings>,
    pub languages: ServedLanguages,
    pub store: Arc<dyn JobStore>,
    /// Where the content is that jobs name.
    pub content: Arc<dyn ContentStore>,
    pub backend: Arc<dyn Backend>,
    pub availability: Availability,
    /// Counts what this worker does.
    pub metrics: WorkerMetrics,
}

impl Worker {
    /// Works until `shutdown`, then finishes or gives back what it has, and returns. No trouble of the store or of
    /// the engine ends it.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let states = PoolStates::default();
        self.metrics.show(states.clone());
        let heartbeat = Heartbeat {
            store: Arc::clone(&self.store),
            id: self.id.clone(),
            host: gethostname::gethostname().to_string_lossy().into_owned(),
            states: states.clone(),
            content: Arc::clone(&self.content),
        };
        if shutdown.run_until_cancelled(heartbeat.register()).await.is_none() {
            return;
        }
        let Settings {
            worker,
            queue,
            content,
            ..
        } = &*self.settings;
        let intervals = Intervals {
            heartbeat: worker.heartbeat,
            reap: queue.reap,
        };
        let housekeeping = housekeeping::start(heartbeat, Arc::clone(&self.backend), intervals);

        let give_back = CancellationToken::new();
        let mut pools = Pools::new(
            pool::WorkerContext {
                worker: self.id.clone(),
                settings: Arc::clone(&self.settings),
                store: Arc::clone(&self.store),
                content: Arc::new(Fetcher::new(
                    Arc::clone(&self.content),
                    content.max_job_bytes,
                    content.max_worker_bytes,
                )),
                boxes: BoxProvider::new(Arc::clone(&self.backend), box_budget(worker.total_concurrency)),
                metrics: self.metrics.clone(),
                availability: self.availability,
                proofs: Arc::new(Semaphore::new(proof::at_once())),
                shutdown: shutdown.clone(),
                give_back: give_back.clone(),
            },
            states,
        );
        info!(worker_id = %self.id, "working");
        shutdown
            .run_until_cancelled(self.follow_languages(&mut pools))
            .await;

        info!(worker_id = %self.id, "leaving: no more claims, finishing what is running");
        if timeout(self.settings.worker.drain, pools.ended()).await.is_err() {
            warn!(worker_id = %self.id, "the time for finishing is over: giving the rest back");
            give_back.cancel();
            if timeout(DRAIN_GRACE, pools.ended()).await.is_err() {
                error!(worker_id = %self.id, "some jobs could not be given back; their leases will expire");
            }
        }
        drop(housekeeping);
        match timeout(DRAIN_GRACE, self.store.deregister(&self.id)).await {
            Ok(Ok(())) => info!(worker_id = %self.id, "left"),
            Ok(Err(error)) => {
                warn!(worker_id = %self.id, error = causes(&error), "left without signing off");
            }
            Err(_) => warn!(worker_id = %self.id, "left without signing off: the job store is too slow"),
        }
    }

    async fn follow_languages(&mut self, pools: &mut Pools) {
        loop {
            pools.serve(self.languages.current());
            sleep(self.settings.worker.heartbeat).await;
            self.languages.refresh();
        }
    }
}

/// How many boxes the jobs of all languages may have at once, of which most need one.
fn box_budget(total: u32) -> usize {
    match usize::try_from(total) {
        Ok(0) | Err(_) => usize::MAX,
        Ok(total) => total,
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
