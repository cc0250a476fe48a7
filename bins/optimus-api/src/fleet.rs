//! The state of the whole installation, as the store tells it: queues, workers, totals.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use optimus_common::{LanguageName, language::Languages};
use optimus_queue::{JobStore, PoolInfo, QueueDepth, StoreError, Totals, WorkerInfo};
use tokio::{sync::Mutex, time::timeout};

/// Longest wait for the store where somebody asks how things are: probes and scrapes give up soon.
const PATIENCE: Duration = Duration::from_secs(2);

/// Everything at one moment.
#[derive(Debug)]
pub(crate) struct Fleet {
    pub(crate) totals: Totals,
    /// One for each configured language, in the order of the configuration.
    pub(crate) languages: Vec<LanguageState>,
}

/// One language's queue and workers.
#[derive(Debug)]
pub(crate) struct LanguageState {
    pub(crate) depth: QueueDepth,
    /// Workers that take its jobs, the sum of what they can run at once, and of what they run.
    pub(crate) workers: u64,
    pub(crate) slots: u64,
    pub(crate) busy: u64,
}

impl Fleet {
    pub(crate) async fn look(store: &dyn JobStore, languages: &Languages) -> Result<Self, StoreError> {
        patiently(async {
            let (totals, languages) = tokio::try_join!(store.totals(), language_states(store, languages))?;
            Ok(Self { totals, languages })
        })
        .await
    }
}

pub(crate) async fn language_states(
    store: &dyn JobStore,
    languages: &Languages,
) -> Result<Vec<LanguageState>, StoreError> {
    let names: Vec<_> = languages
        .languages
        .iter()
        .map(|language| language.name.clone())
        .collect();
    let (depths, workers) = tokio::try_join!(store.queues(&names), store.workers())?;
    let state = |depth: QueueDepth| {
        let open = || pools(&workers, &depth.language).filter(|pool| pool.unavailable.is_none());
        LanguageState {
            workers: open().count() as u64,
            slots: open().map(|pool| u64::from(pool.slots)).sum(),
            busy: open().map(|pool| u64::from(pool.busy)).sum(),
            depth,
        }
    };
    Ok(depths.into_iter().map(state).collect())
}

/// How long what workers said is good enough for a hint.
const STILL_TRUE: Duration = Duration::from_secs(1);

/// The workers as they were a moment ago, for what every submission asks.
#[derive(Debug, Default)]
pub(crate) struct Roster(Mutex<Option<(Instant, Arc<[WorkerInfo]>)>>);

impl Roster {
    /// Why no worker takes this language's jobs at the moment; `None` where one does, or where nobody can tell.
    pub(crate) async fn unserved(&self, store: &dyn JobStore, language: &LanguageName) -> Option<String> {
        let workers = self.workers(store).await?;
        let pools = || pools(&workers, language);
        if pools().any(|pool| pool.unavailable.is_none()) {
            return None;
        }
        let told = pools().find_map(|pool| pool.unavailable.clone());
        Some(told.unwrap_or_else(|| NOBODY.to_owned()))
    }

    async fn workers(&self, store: &dyn JobStore) -> Option<Arc<[WorkerInfo]>> {
        // Whoever comes while they are asked for waits for the same answer.
        let mut known = self.0.lock().await;
        if let Some((at, workers)) = &*known
            && at.elapsed() < STILL_TRUE
        {
            return Some(Arc::clone(workers));
        }
        let workers = Arc::<[_]>::from(patiently(store.workers()).await.ok()?);
        *known = Some((Instant::now(), Arc::clone(&workers)));
        Some(workers)
    }
}

/// Why a language is not available of which no worker says anything.
pub(crate) const NOBODY: &str = "no worker is running for it";

/// The pools of one language, over all workers.
pub(crate) fn pools<'a>(
    workers: &'a [WorkerInfo],
    language: &'a LanguageName,
) -> impl Iterator<Item = &'a PoolInfo> {
    workers
        .iter()
        .flat_map(|worker| &worker.pools)
        .filter(move |pool| pool.language == *language)
}

/// Gives up on the store soon.
pub(crate) async fn patiently<T>(
    answer: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    match timeout(PATIENCE, answer).await {
        Ok(result) => result,
        Err(elapsed) => Err(StoreError::Unavailable(elapsed.into())),
    }
}
