//! The state of the whole installation, as the store tells it: queues, workers, totals.

use std::{sync::Arc, time::Duration};

use optimus_common::{LanguageName, language::Languages};
use optimus_queue::{JobStore, PoolInfo, QueueDepth, StoreError, Totals, WorkerInfo};
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};
use uuid::Uuid;

/// Longest wait for the store where somebody asks how things are: probes and scrapes give up soon.
const STATUS_TIMEOUT: Duration = Duration::from_secs(2);

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
    pub(crate) async fn load(store: &dyn JobStore, languages: &Languages) -> Result<Self, StoreError> {
        with_timeout(async {
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
    let (depths, workers) = tokio::try_join!(store.depths(&names), store.workers())?;
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

/// How long what workers said is good enough for a hint, and how long a store that did not say it is left alone.
const STILL_TRUE: Duration = Duration::from_secs(1);
const LEFT_ALONE: Duration = Duration::from_secs(10);

/// How long the store may take to answer for a hint. The submission is stored already; nobody waits long for a word more.
const FOR_A_HINT: Duration = Duration::from_secs(1);

/// The workers as they were a moment ago, for what every submission asks.
#[derive(Debug, Default)]
pub(crate) struct RecentWorkers(Mutex<Option<WorkersAnswer>>);

#[derive(Debug)]
struct WorkersAnswer {
    at: Instant,
    /// `None` where the store did not answer in time.
    workers: Option<Arc<[WorkerInfo]>>,
}

impl WorkersAnswer {
    fn holds(&self) -> bool {
        let how_long = match self.workers {
            Some(_) => STILL_TRUE,
            None => LEFT_ALONE,
        };
        self.at.elapsed() < how_long
    }
}

impl RecentWorkers {
    /// Why no worker takes this language's jobs at the moment; `None` where one does, or where nobody can tell.
    pub(crate) async fn unserved(&self, store: &dyn JobStore, language: &LanguageName) -> Option<String> {
        // Whoever asked may be gone before the answer, and the next one asks anew: that adds up for those who wait for it.
        let workers = timeout(2 * FOR_A_HINT, self.workers(store.workers()))
            .await
            .ok()??;
        let pools = || pools(&workers, language);
        if pools().any(|pool| pool.unavailable.is_none()) {
            return None;
        }
        let told = pools().find_map(|pool| pool.unavailable.clone());
        Some(told.unwrap_or_else(|| NOBODY.to_owned()))
    }

    /// Why no worker that takes this language's jobs has the content of this store; `None` where one has, or where nobody can
    /// tell.
    pub(crate) async fn lacks_content(
        &self,
        store: &dyn JobStore,
        language: &LanguageName,
        identity: Uuid,
    ) -> Option<String> {
        let workers = timeout(2 * FOR_A_HINT, self.workers(store.workers()))
            .await
            .ok()??;
        lacking(&workers, language, identity)
    }

    /// `ask` asks the store.
    async fn workers(
        &self,
        ask: impl Future<Output = Result<Vec<WorkerInfo>, StoreError>>,
    ) -> Option<Arc<[WorkerInfo]>> {
        // Whoever comes while they are asked for waits for the same answer, and for no other.
        let mut asked = self.0.lock().await;
        if let Some(asked) = asked.as_ref().filter(|asked| asked.holds()) {
            return asked.workers.clone();
        }
        let answer = timeout(FOR_A_HINT, ask).await;
        let workers = answer.ok().and_then(Result::ok).map(Arc::from);
        *asked = Some(WorkersAnswer {
            at: Instant::now(),
            workers: workers.clone(),
        });
        workers
    }
}

fn lacking(workers: &[WorkerInfo], language: &LanguageName, identity: Uuid) -> Option<String> {
    let takes = |worker: &&WorkerInfo| worker.pools.iter().any(|pool| pool.language == *language);
    let mut others = Vec::new();
    for worker in workers.iter().filter(takes) {
        match worker.content {
            Some(content) if content != identity => others.push(worker.host.as_str()),
            // It has it, or may have.
            _ => return None,
        }
    }
    others.dedup();
    (!others.is_empty()).then(|| {
        format!(
            "workers of {language} (on {}) have another content store than this API: the setting content.store must lead all of \
             them to the same",
            others.join(", ")
        )
    })
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
pub(crate) async fn with_timeout<T>(
    answer: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    match timeout(STATUS_TIMEOUT, answer).await {
        Ok(result) => result,
        Err(elapsed) => Err(StoreError::Unavailable(elapsed.into())),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::pending,
        sync::atomic::{AtomicUsize, Ordering},
    };

    use futures_util::future::join_all;
    use tokio::time::sleep;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_store_that_does_not_answer_keeps_no_submission_for_long() {
        let recent_workers = RecentWorkers::default();
        let asked = AtomicUsize::new(0);
        let ask = || async {
            asked.fetch_add(1, Ordering::Relaxed);
            pending().await
        };
        let began = Instant::now();
        let fifty = join_all((0..50).map(|_| recent_workers.workers(ask()))).await;
        assert!(fifty.iter().all(Option::is_none));
        assert_eq!(began.elapsed(), FOR_A_HINT, "all of them wait once");
        assert!(recent_workers.workers(ask()).await.is_none());
        assert_eq!(began.elapsed(), FOR_A_HINT, "it is known");
        assert_eq!(asked.load(Ordering::Relaxed), 1);

        sleep(LEFT_ALONE).await;
        assert!(recent_workers.workers(async { Ok(Vec::new()) }).await.is_some());
        assert!(recent_workers.workers(ask()).await.is_some());
        sleep(STILL_TRUE).await;
        assert!(recent_workers.workers(ask()).await.is_none());
    }

    #[test]
    fn workers_of_another_content_store_are_named() {
        let own = Uuid::now_v7();
        let python: LanguageName = "python".parse().unwrap();
        let worker = |host: &str, language: &str, content| WorkerInfo {
            id: host.to_owned().into(),
            host: host.to_owned(),
            pools: vec![PoolInfo {
                language: language.parse().unwrap(),
                slots: 1,
                busy: 0,
                unavailable: None,
                toolchain: None,
            }],
            content,
        };
        let other = Some(Uuid::now_v7());
        let elsewhere = worker("there", "python", other);
        let why = lacking(std::slice::from_ref(&elsewhere), &python, own).unwrap();
        assert!(why.contains("there") && why.contains("content.store"), "{why}");
        for workers in [
            vec![],
            vec![worker("here", "java", other)],
            vec![elsewhere.clone(), worker("here", "python", Some(own))],
            // Of an older release, or it could not be asked.
            vec![elsewhere, worker("here", "python", None)],
        ] {
            assert_eq!(lacking(&workers, &python, own), None, "{workers:?}");
        }
    }
}
