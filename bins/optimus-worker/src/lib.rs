//! The worker: claims jobs, runs each in a box of its own, and finishes it.
//!
//! - [`Worker::run`]: one pool per language, the housekeeping, and a clean departure
//! - `pool`: one language's slots, warm boxes and claim loop
//! - `job`: the way of one job, from its claim to its end
//! - `grading`: the conversation with the box, from which the verdicts come
//! - `lease`: keeps a job's lease and says when the job must stop
//! - `board`: what the pools are doing, for the heartbeat
//! - `housekeeping`: heartbeat, expired leases, audit, orphaned boxes

mod backoff;
mod board;
mod choice;
mod grading;
mod housekeeping;
mod job;
mod lease;
mod pool;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod twins;

use std::{fmt, sync::Arc, time::Duration};

use optimus_common::{WorkerId, language::Language, settings::Settings};
use optimus_queue::JobStore;
use optimus_sandbox::Backend;
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

pub use crate::choice::{ChoiceError, choose_languages};
use crate::{
    housekeeping::{Announcer, Rhythm},
    pool::Pool,
};

/// How long giving jobs back, destroying boxes and saying goodbye may take, after the time for draining.
const DEPARTURE: Duration = Duration::from_secs(10);

/// A worker and what it works with.
pub struct Worker {
    /// The same that `backend` labels its boxes with.
    pub id: WorkerId,
    pub settings: Arc<Settings>,
    /// One pool is run for each.
    pub languages: Vec<Language>,
    pub store: Arc<dyn JobStore>,
    pub backend: Arc<dyn Backend>,
}

impl Worker {
    /// Works until `shutdown`, then finishes or gives back what it has, and returns. No trouble of the store or of
    /// the engine ends it.
    pub async fn run(self, shutdown: CancellationToken) {
        let give_back = CancellationToken::new();
        let pools: Vec<_> = self
            .languages
            .iter()
            .map(|language| self.pool(language, &shutdown, &give_back))
            .collect();
        let announcer = Announcer {
            store: Arc::clone(&self.store),
            id: self.id.clone(),
            host: gethostname::gethostname().to_string_lossy().into_owned(),
            pools: pools.iter().map(|pool| Arc::clone(pool.board())).collect(),
        };
        if shutdown
            .run_until_cancelled(announcer.introduce())
            .await
            .is_none()
        {
            return;
        }
        info!(worker_id = %self.id, languages = ?self.languages.iter().map(|l| &l.name).collect::<Vec<_>>(), "working");
        let rhythm = Rhythm {
            heartbeat: self.settings.worker.heartbeat,
            reap: self.settings.queue.reap,
        };
        let housekeeping = housekeeping::start(announcer, Arc::clone(&self.backend), rhythm);

        let mut running = JoinSet::new();
        for pool in pools {
            running.spawn(supervise(pool));
        }
        shutdown.cancelled().await;
        info!(worker_id = %self.id, "leaving: no more claims, finishing what is running");
        if timeout(self.settings.worker.drain, ended(&mut running))
            .await
            .is_err()
        {
            warn!(worker_id = %self.id, "the time for finishing is over: giving the rest back");
            give_back.cancel();
            if timeout(DEPARTURE, ended(&mut running)).await.is_err() {
                error!(worker_id = %self.id, "some jobs could not be given back; their leases will expire");
            }
        }
        drop(housekeeping);
        if let Ok(Err(error)) = timeout(DEPARTURE, self.store.goodbye(&self.id)).await {
            warn!(worker_id = %self.id, error = &error as &dyn std::error::Error, "left without a goodbye");
        }
        info!(worker_id = %self.id, "left");
    }

    fn pool(
        &self,
        language: &Language,
        shutdown: &CancellationToken,
        give_back: &CancellationToken,
    ) -> Arc<Pool> {
        Arc::new(Pool::new(
            pool::Shared {
                worker: self.id.clone(),
                settings: Arc::clone(&self.settings),
                store: Arc::clone(&self.store),
                backend: Arc::clone(&self.backend),
                shutdown: shutdown.clone(),
                give_back: give_back.clone(),
            },
            language.clone(),
        ))
    }
}

/// Runs a pool until it ends by itself. A panic in its loop is a fault of ours, and no reason to stop serving the
/// language.
async fn supervise(pool: Arc<Pool>) {
    while let Err(panic) = tokio::spawn(Arc::clone(&pool).run()).await {
        error!(language = %pool.language(), error = &panic as &dyn std::error::Error, "a claim loop broke; starting it again");
        sleep(Duration::from_secs(1)).await;
    }
}

async fn ended(pools: &mut JoinSet<()>) {
    while pools.join_next().await.is_some() {}
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
