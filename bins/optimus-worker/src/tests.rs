//! The worker as a whole, on fakes of a store and a backend.

mod content;
mod faults;
mod grading;
mod serving;

use std::{sync::Arc, time::Duration};

use optimus_common::{
    JobId, WorkerId,
    content::{Digest, NamedContent},
    job::{JobRecord, JobStatus},
    language::{Concurrency, Language},
    result::{CompileVerdict, Verdict},
    submission::Submission,
};
use optimus_content::{ContentStore, FaultyContent, Memory, Rules};
use optimus_queue::{EventBus, Followed, JobQueue, JobUpdate, PoolInfo, Progress, WorkerRegistry};
use sha2::Digest as _;
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    Availability, ServedLanguages, Settings, Worker, WorkerMetrics,
    fakes::{self, FakeBackend, FakeStore, FakeStoreExt, LanguagesFile},
    settings::WorkerSettings,
};

struct Running {
    store: FakeStore,
    memory: Memory,
    content: FaultyContent,
    backend: FakeBackend,
    shutdown: CancellationToken,
    worker: JoinHandle<()>,
    languages: LanguagesFile,
}

impl Running {
    fn start() -> Self {
        Self::of(fakes::language("python"))
    }

    fn of(language: Language) -> Self {
        Self::with(&[language], |_| {})
    }

    fn with(languages: &[Language], change: impl FnOnce(&mut WorkerSettings)) -> Self {
        Self::on(FakeBackend::default(), languages, change)
    }

    fn on(backend: FakeBackend, languages: &[Language], change: impl FnOnce(&mut WorkerSettings)) -> Self {
        // Most tests count what boxes do, and a sample is a job as well.
        Self::of_availability(Availability::Assumed, backend, languages, change)
    }

    /// Jobs are claimed only for a language whose sample has run.
    fn proving(language: Language) -> Self {
        Self::of_availability(Availability::Proved, FakeBackend::default(), &[language], |_| {})
    }

    fn of_availability(
        availability: Availability,
        backend: FakeBackend,
        languages: &[Language],
        change: impl FnOnce(&mut WorkerSettings),
    ) -> Self {
        let (store, shutdown) = (fakes::store(), CancellationToken::new());
        let languages = LanguagesFile::with(languages);
        let mut settings = languages.settings("all");
        change(&mut settings.worker);
        let memory = Memory::new(Rules::of(&settings.content));
        let content = FaultyContent::new(Arc::new(memory.clone()));
        let worker = Worker {
            id: WorkerId::new(),
            languages: ServedLanguages::open(&settings).unwrap(),
            settings: Arc::new(settings),
            store: Arc::new(store.clone()),
            content: Arc::new(content.clone()),
            backend: Arc::new(backend.clone()),
            availability,
            metrics: WorkerMetrics::default(),
        };
        let worker = tokio::spawn(worker.run(shutdown.clone()));
        Self {
            store,
            memory,
            content,
            backend,
            shutdown,
            worker,
            languages,
        }
    }

    async fn put(&self, program: &str) -> JobId {
        self.store
            .put(fakes::submission(program, &[("a", "a"), ("b", "c"), ("d", "d")]))
            .await
    }

    async fn graded(&self, submission: Submission) -> JobRecord {
        let id = self.store.put(submission).await;
        self.store.until(id, JobStatus::Completed).await
    }

    async fn until_pool(&self, matches: impl Fn(&PoolInfo) -> bool) {
        self.store
            .until_announced(|worker| worker.pools.iter().any(&matches))
            .await;
    }

    /// Every way out ends here: nothing may be left over.
    async fn leave(self) {
        self.shutdown.cancel();
        self.worker.await.unwrap();
        assert_eq!(self.backend.alive(), 0, "boxes are left over");
        assert_eq!(self.store.workers().await.unwrap(), [], "no goodbye");
    }
}

fn verdicts(record: &JobRecord) -> Vec<Verdict> {
    record
        .result
        .as_ref()
        .unwrap()
        .test_results
        .iter()
        .map(|test| test.verdict)
        .collect()
}
