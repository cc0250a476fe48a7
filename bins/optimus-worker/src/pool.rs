//! One language's slots, warm boxes and claim loop.
//!
//! A turn of the loop waits for a free slot, then for a warm box, then for a place, of which all languages share some,
//! and only then claims: a job is never taken by a worker that could not start it at once.

use std::{fmt, sync::Arc, time::Duration};

use optimus_common::{LanguageName, WorkerId, causes, language::Language};
use optimus_content::{FetchError, Fetcher};
use optimus_queue::{Claim, JobEvents, JobStore, StoreError};
use optimus_sandbox::{
    BoxSpec,
    pool::{PoolClosed, PoolOptions},
    provider::{BoxProvider, KeptPool, Places},
};
use optimus_service::Backoff;
use tokio::{
    sync::{Mutex, Notify, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{Instrument, debug, error, info, warn};

use crate::{
    Settings,
    box_spec::box_spec,
    job::JobRunner,
    lease::{LeaseRenewer, Timing},
    metrics::WorkerMetrics,
    pool_state::{PoolState, Stage},
    proof::{self, Availability, BoxContents, Proof},
    spans,
};

/// Longest wait for work before the claim is tried anyway, and the loop has visibly turned.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// Boxes kept warm beside one for each slot, so that the engine has work while jobs run: with none, short jobs wait for
/// their successors' boxes (see `docs/benchmarks.md`).
const SPARE_BOXES: u32 = 2;

/// From a sample that did not run to the next try.
const FIRST_DOUBT: Duration = Duration::from_secs(1);
const LONGEST_DOUBT: Duration = Duration::from_mins(1);

/// Why a language is not available that probably will be in a moment.
const BEING_PROVED: &str = "a program of it is being tried in a box";

/// What all pools of a worker share.
#[derive(Clone)]
pub(crate) struct WorkerContext {
    pub(crate) worker: WorkerId,
    pub(crate) settings: Arc<Settings>,
    pub(crate) store: Arc<dyn JobStore>,
    pub(crate) content: Arc<Fetcher>,
    /// Has places for the boxes of all jobs over all languages. A place is held for a job, and never while waiting for one or for its
    /// box.
    pub(crate) boxes: BoxProvider,
    pub(crate) metrics: WorkerMetrics,
    pub(crate) availability: Availability,
    /// Samples at once over all languages.
    pub(crate) proofs: Arc<Semaphore>,
    /// No claims any more.
    pub(crate) shutdown: CancellationToken,
    /// Time is over: running jobs are given back.
    pub(crate) give_back: CancellationToken,
}

/// One language of a worker.
pub(crate) struct Pool {
    context: WorkerContext,
    runner: JobRunner,
    spec: BoxSpec,
    options: PoolOptions,
    slots: Arc<Semaphore>,
    /// Held from a claim until its box is there, so that no second claim counts on the same box.
    claim_lock: Arc<Mutex<()>>,
    /// Jobs under way, and boxes on their way out.
    tasks: TaskTracker,
    state: Arc<PoolState>,
}

impl Pool {
    pub(crate) fn new(context: WorkerContext, language: Language, changed: Arc<Notify>) -> Self {
        let slots = match context.settings.worker.concurrency {
            0 => language.concurrency.max_parallel_jobs,
            chosen => chosen,
        };
        let warm_boxes = match context.settings.worker.warm_boxes {
            0 => slots.saturating_add(SPARE_BOXES),
            chosen => chosen,
        };
        let spec = box_spec(&language);
        let state = Arc::new(PoolState::new(language.name.clone(), slots, changed));
        if context.availability == Availability::Proved {
            state.unproved(BEING_PROVED.to_owned());
        }
        let runner = JobRunner {
            worker: context.worker.clone(),
            settings: Arc::clone(&context.settings),
            store: Arc::clone(&context.store),
            content: Arc::clone(&context.content),
            box_memory_bytes: spec.resources.memory_bytes,
            metrics: context.metrics.clone(),
            proof: Arc::new(Proof::new(context.availability)),
            language: Arc::new(language),
        };
        Self {
            runner,
            spec,
            options: PoolOptions {
                size: warm_boxes as usize,
            },
            slots: Arc::new(Semaphore::new(slots as usize)),
            claim_lock: Arc::new(Mutex::new(())),
            tasks: TaskTracker::new(),
            state,
            context,
        }
    }

    pub(crate) fn state(&self) -> &Arc<PoolState> {
        &self.state
    }

    pub(crate) fn language(&self) -> &LanguageName {
        &self.runner.language.name
    }

    /// Serves the language until shutdown, and returns when every job is over and every box is gone.
    pub(crate) async fn run(self: Arc<Self>) {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
        let mut doubt = Backoff::new(FIRST_DOUBT, LONGEST_DOUBT);
        // Not before the worker has announced itself, as this runs only then.
        let mut warm = self.make_boxes();
        while let Some(turned) = self.turn(&warm).await {
            let delay = match turned {
                Ok(()) => {
                    self.state.store_answered();
                    backoff.reset();
                    doubt.reset();
                    continue;
                }
                Err(TurnError::Store(error)) => {
                    let reason = causes(&error);
                    warn!(language = %self.language(), error = reason, "nothing claimed");
                    self.state.store_failed(reason);
                    backoff.next_delay()
                }
                Err(TurnError::Content(error)) => {
                    let reason = causes(&error);
                    warn!(language = %self.language(), error = reason, "no jobs are claimed");
                    self.state.store_failed(reason);
                    backoff.next_delay()
                }
                Err(TurnError::Unproved(reason)) => {
                    warn!(language = %self.language(), error = reason, "no jobs are claimed");
                    self.state.unproved(reason);
                    doubt.next_delay()
                }
                Err(TurnError::Boxes(gone)) => {
                    error!(language = %self.language(), "what makes boxes broke; starting it again");
                    self.state.boxes_failed(causes(&gone));
                    warm = self.make_boxes();
                    backoff.next_delay()
                }
            };
            if self.until_shutdown(sleep(delay)).await.is_none() {
                break;
            }
        }
        self.state.enter(Stage::Stopped);
        debug!(language = %self.language(), "no more claims");
        self.tasks.close();
        self.tasks.wait().await;
        warm.close().await;
    }

    fn make_boxes(&self) -> KeptPool {
        let warm = self.context.boxes.keep(&self.spec, self.options);
        self.state.boxes_started(warm.watch());
        warm
    }

    /// One turn of the claim loop. `None`: the worker leaves.
    async fn turn(self: &Arc<Self>, warm: &KeptPool) -> Option<Result<(), TurnError>> {
        self.state.enter(Stage::WaitingForSlot);
        let slot = self
            .until_shutdown(Arc::clone(&self.slots).acquire_owned())
            .await?
            .ok()?;
        self.state.enter(Stage::WaitingForBox);
        let claim_lock = self
            .until_shutdown(Arc::clone(&self.claim_lock).lock_owned())
            .await?;
        let contents = match self.until_shutdown(self.box_ready(warm)).await? {
            Ok(contents) => contents,
            Err(gone) => return Some(Err(gone.into())),
        };
        if !self.runner.proof.holds(&contents) {
            return self.prove(warm).await;
        }

        self.state.enter(Stage::Claiming);
        // Not before there is content again: a job that names some would only be given back.
        if self.context.content.is_away()
            && let Err(error) = self.until_shutdown(self.context.content.answers()).await?
        {
            return Some(Err(error.into()));
        }
        self.state.enter(Stage::WaitingForSlot);
        // Nothing is known of the job yet, and most need one box.
        let places = self.until_shutdown(self.context.boxes.places(1)).await?.ok()?;
        self.state.enter(Stage::Claiming);
        // Never cut short: the store would execute it all the same, and nobody would hold the lease.
        let events = self.context.store.subscribe();
        let asked = Instant::now();
        match self
            .context
            .store
            .claim(self.language(), &self.context.worker)
            .await
        {
            Ok(Some(claim)) => {
                let job = ClaimedJob {
                    slot,
                    places,
                    claim_lock,
                    claim,
                    asked,
                    events,
                };
                self.tasks.spawn(Arc::clone(self).serve(job));
                Some(Ok(()))
            }
            Ok(None) => {
                drop((claim_lock, places));
                let waited = self.context.store.wait_for_work(self.language(), LONGEST_WAIT);
                let waited = self.until_shutdown(waited).await?;
                Some(waited.map_err(TurnError::Store))
            }
            Err(error) => Some(Err(error.into())),
        }
    }

    /// Runs the language's sample. `None`: the worker leaves.
    async fn prove(&self, warm: &KeptPool) -> Option<Result<(), TurnError>> {
        self.state.enter(Stage::Proving);
        let proofs = Arc::clone(&self.context.proofs);
        let _turn = self.until_shutdown(proofs.acquire_owned()).await?.ok()?;
        let session = match self.until_shutdown(warm.acquire()).await? {
            Ok(session) => session,
            Err(gone) => return Some(Err(gone.into())),
        };
        let (contents, handle) = (BoxContents::from(&session), session.shared_handle());
        let JobRunner {
            language, settings, ..
        } = &self.runner;
        let tried = self
            .until_shutdown(proof::try_in(session, language, settings))
            .await;
        if let Err(error) = handle.destroy().await {
            warn!(
                box_name = handle.name(),
                error = causes(&error),
                "box not destroyed yet"
            );
        }
        Some(match tried? {
            Ok(()) => {
                info!(
                    language = %self.language(),
                    toolchain = contents.toolchain,
                    root = contents.root.as_ref().map(tracing::field::display),
                    "a program of it ran in a box"
                );
                self.runner.proof.found(contents);
                self.state.proved();
                Ok(())
            }
            Err(reason) => Err(TurnError::Unproved(reason)),
        })
    }

    /// Returns when a job could have a box at once, and what is in it.
    async fn box_ready(&self, warm: &KeptPool) -> Result<BoxContents, PoolClosed> {
        let mut status = warm.watch();
        loop {
            let now = status.borrow_and_update().clone();
            self.state.learn(&now);
            if now.warm > 0 {
                return Ok(BoxContents::from(&now));
            }
            status.changed().await.map_err(|_| PoolClosed)?;
        }
    }

    async fn serve(self: Arc<Self>, claimed: ClaimedJob) {
        let ClaimedJob {
            slot,
            mut places,
            claim_lock,
            claim,
            asked,
            events,
        } = claimed;
        let occupied = self.state.occupy();
        let renewer = LeaseRenewer {
            store: self.context.store.clone(),
            lease: claim.lease.clone(),
            timing: Timing::from(&self.context.settings.queue),
            claimed: asked,
            events,
            give_back: self.context.give_back.clone(),
        };
        let get_box = async {
            let session = self.context.boxes.acquire(&mut places, &self.spec).await;
            drop(claim_lock);
            session
        };
        let after = spans::after(&claim);
        let spent = self.runner.serve(claim, get_box, renewer).await;
        // The guest is dead and its job is finished: the slot is free while the engine clears away the box.
        drop((occupied, slot, places));
        spent.destroy().instrument(after).await;
    }

    async fn until_shutdown<F: Future>(&self, future: F) -> Option<F::Output> {
        self.context.shutdown.run_until_cancelled(future).await
    }
}

/// Why a turn of the claim loop claimed nothing.
#[derive(Debug, thiserror::Error)]
enum TurnError {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Its task has ended, which only a fault of ours makes it do.
    #[error(transparent)]
    Boxes(#[from] PoolClosed),
    /// Jobs would be given back.
    #[error(transparent)]
    Content(#[from] FetchError),
    /// Jobs would fail by it.
    #[error("{0}")]
    Unproved(String),
}

/// A job just claimed.
struct ClaimedJob {
    slot: OwnedSemaphorePermit,
    places: Places,
    claim_lock: OwnedMutexGuard<()>,
    claim: Claim,
    asked: Instant,
    events: JobEvents,
}

impl fmt::Debug for WorkerContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerContext")
            .field("worker", &self.worker)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
