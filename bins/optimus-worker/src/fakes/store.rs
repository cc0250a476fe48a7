//! A store in memory, by the worker's own clock, that can be switched off.

use std::{pin::pin, time::Duration};

use optimus_common::{
    JobId, WorkerId,
    job::{JobRecord, JobStatus},
    submission::Submission,
};
use optimus_queue::{
    JobQueue, NewJob, Submitted, Upkeep, WorkerInfo, WorkerRegistry,
    faulty::{Fault, FaultyStore, StoreCall},
    memory::MemoryStore,
    settings::QueueSettings,
};
use tokio::time::timeout;

use crate::Settings;

/// Of the tests' paused clock: over in an instant, and longer than anything awaited.
const TIMEOUT: Duration = Duration::from_hours(1);

pub(crate) type FakeStore = FaultyStore<MemoryStore>;

/// A store whose jobs come back without a backoff.
pub(crate) fn store() -> FakeStore {
    FaultyStore::new(MemoryStore::new(&QueueSettings {
        retry_backoff: Duration::ZERO,
        ..Settings::defaults().queue
    }))
}

/// What tests do with it, and wait for. None of this can fail, whatever the worker is told.
pub(crate) trait FakeStoreExt {
    async fn put(&self, submission: Submission) -> JobId;

    /// As if the lease had expired and another worker had claimed it.
    async fn take_away(&self, id: JobId);

    /// Asks for a cancel without telling anybody, as where an event is lost.
    async fn cancel_silently(&self, id: JobId);

    /// The next worker that announces itself panics instead.
    fn panic_when_announced(&self);

    fn renewals(&self) -> u64;

    async fn record(&self, id: JobId) -> JobRecord;

    /// Waits until a job is in this state.
    async fn until(&self, id: JobId, status: JobStatus) -> JobRecord;

    async fn until_announced(&self, matches: impl Fn(&WorkerInfo) -> bool);
}

impl FakeStoreExt for FakeStore {
    async fn put(&self, submission: Submission) -> JobId {
        let job = NewJob::new(submission);
        let id = job.id;
        assert_eq!(self.inner().submit(job).await.unwrap(), Submitted::Created);
        id
    }

    async fn take_away(&self, id: JobId) {
        let language = self.record(id).await.language;
        self.inner().expire_leases();
        self.inner().reap().await.unwrap();
        let other = WorkerId::from("another".to_owned());
        let claim = self.inner().claim(&language, &other).await.unwrap();
        assert_eq!(claim.map(|claim| claim.lease.job), Some(id));
    }

    async fn cancel_silently(&self, id: JobId) {
        self.lose_events(true);
        self.inner().cancel(id).await.unwrap();
    }

    fn panic_when_announced(&self) {
        self.fail_next(StoreCall::Heartbeat, Fault::Panic);
    }

    fn renewals(&self) -> u64 {
        self.calls(StoreCall::Renew)
    }

    async fn record(&self, id: JobId) -> JobRecord {
        self.inner().get(id).await.unwrap().expect("the job is known")
    }

    async fn until(&self, id: JobId, status: JobStatus) -> JobRecord {
        loop {
            let mut changed = pin!(self.inner().changed().notified());
            changed.as_mut().enable();
            let record = self.record(id).await;
            if record.status == status {
                return record;
            }
            assert!(!record.status.is_terminal(), "{record:?} is never {status:?}");
            timeout(TIMEOUT, changed).await.expect("the job gets somewhere");
        }
    }

    async fn until_announced(&self, matches: impl Fn(&WorkerInfo) -> bool) {
        loop {
            let mut changed = pin!(self.inner().changed().notified());
            changed.as_mut().enable();
            if self.inner().workers().await.unwrap().iter().any(&matches) {
                return;
            }
            timeout(TIMEOUT, changed)
                .await
                .expect("a worker announces what is awaited");
        }
    }
}
