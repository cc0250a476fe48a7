//! A store in memory, by the worker's own clock, that can be switched off.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use async_trait::async_trait;
use jiff::Timestamp;
use optimus_common::{
    FencingToken, JobId, LanguageName, WorkerId,
    job::{JobContext, JobRecord, JobStatus, Outcome},
    result::{JobResult, OverallStatus, Verdict},
    submission::Submission,
};
use optimus_queue::{
    Audited, Cancel, Claim, EventBus, Finish, JobEvent, JobEvents, JobQueue, JobUpdates, Lease, NewJob,
    Progress, QueueDepth, Reaped, Renewal, Retry, StoreError, StoredJob, Submitted, Totals, Upkeep,
    WorkerInfo, WorkerRegistry,
};
use tokio::{
    sync::{Notify, broadcast},
    time::{Instant, timeout},
};

/// Of the tests' paused clock: over in an instant, and longer than anything awaited.
const PATIENCE: Duration = Duration::from_hours(1);

const MAX_ATTEMPTS: u32 = 3;

/// Jobs. Leases never expire by themselves: [`FakeStore::take_away`] says when.
#[derive(Clone)]
pub(crate) struct FakeStore(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    changed: Notify,
    events: broadcast::Sender<JobEvent>,
}

#[derive(Default)]
struct State {
    unreachable: bool,
    jobs: HashMap<JobId, Job>,
    queue: VecDeque<JobId>,
    tokens: u64,
    workers: Vec<WorkerInfo>,
    renewals: u64,
    panics: bool,
}

struct Job {
    submission: Submission,
    context: JobContext,
    attempt: u32,
    token: FencingToken,
    status: JobStatus,
    cancel: bool,
    result: Option<JobResult>,
    error: Option<String>,
}

impl FakeStore {
    pub(crate) fn new() -> Self {
        let state = Mutex::new(State::default());
        Self(Arc::new(Shared {
            state,
            changed: Notify::new(),
            events: broadcast::channel(16).0,
        }))
    }

    pub(crate) fn set_unreachable(&self, unreachable: bool) {
        self.0.state.lock().unwrap().unreachable = unreachable;
    }

    pub(crate) async fn put(&self, submission: Submission) -> JobId {
        let job = NewJob::new(submission);
        let id = job.id;
        self.submit(job).await.unwrap();
        id
    }

    /// As if the lease had expired and another worker had claimed it.
    pub(crate) fn take_away(&self, id: JobId) {
        let mut state = self.0.state.lock().unwrap();
        state.tokens += 1;
        let token = FencingToken(state.tokens);
        state.jobs.get_mut(&id).unwrap().token = token;
    }

    /// Asks for a cancel without telling anybody, as where an event is lost.
    pub(crate) fn cancel_silently(&self, id: JobId) {
        self.0.state.lock().unwrap().jobs.get_mut(&id).unwrap().cancel = true;
    }

    /// The next worker that announces itself panics instead.
    pub(crate) fn panic_when_announced(&self) {
        self.0.state.lock().unwrap().panics = true;
    }

    pub(crate) fn renewals(&self) -> u64 {
        self.0.state.lock().unwrap().renewals
    }

    /// Waits until a job is in this state.
    pub(crate) async fn until(&self, id: JobId, status: JobStatus) -> JobRecord {
        loop {
            let changed = self.0.changed.notified();
            let record = self.record(id);
            if record.status == status {
                return record;
            }
            assert!(!record.status.is_terminal(), "{record:?} is never {status:?}");
            timeout(PATIENCE, changed).await.expect("the job gets somewhere");
        }
    }

    pub(crate) fn record(&self, id: JobId) -> JobRecord {
        let state = self.0.state.lock().unwrap();
        let job = &state.jobs[&id];
        JobRecord {
            job_id: id,
            status: job.status,
            language: job.submission.language.clone(),
            attempts: job.attempt,
            created_at: Timestamp::UNIX_EPOCH,
            started_at: None,
            finished_at: None,
            result: job.result.clone(),
            details_dropped: false,
            error: job.error.clone(),
            metadata: None,
        }
    }

    fn context(&self, id: JobId) -> JobContext {
        self.0.state.lock().unwrap().jobs[&id].context.clone()
    }

    pub(crate) async fn until_announced(&self, matches: impl Fn(&WorkerInfo) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let changed = self.0.changed.notified();
            if self.0.state.lock().unwrap().workers.iter().any(&matches) {
                return;
            }
            assert!(Instant::now() < deadline, "a worker announces what is awaited");
            changed.await;
        }
    }

    fn reach(&self) -> Result<MutexGuard<'_, State>, StoreError> {
        let state = self.0.state.lock().unwrap();
        if state.unreachable {
            Err(StoreError::Unavailable("switched off".into()))
        } else {
            Ok(state)
        }
    }

    /// Changes a job whose lease is held; `None` where it is not.
    fn with_lease<T>(
        &self,
        lease: &Lease,
        change: impl FnOnce(&mut Job) -> T,
    ) -> Result<Option<T>, StoreError> {
        let mut state = self.reach()?;
        let job = state.jobs.get_mut(&lease.job).unwrap();
        if job.token != lease.token || job.status != JobStatus::Running {
            return Ok(None);
        }
        let answer = change(job);
        if job.status == JobStatus::Queued {
            state.queue.push_front(lease.job);
        }
        drop(state);
        self.0.changed.notify_waiters();
        Ok(Some(answer))
    }
}

#[async_trait]
impl JobQueue for FakeStore {
    async fn submit(&self, job: NewJob) -> Result<Submitted, StoreError> {
        let mut state = self.reach()?;
        state.queue.push_back(job.id);
        let (submission, context) = (job.submission, job.context);
        let (token, status) = (FencingToken(0), JobStatus::Queued);
        let job_state = Job {
            submission,
            context,
            attempt: 0,
            token,
            status,
            cancel: false,
            result: None,
            error: None,
        };
        state.jobs.insert(job.id, job_state);
        drop(state);
        self.0.changed.notify_waiters();
        Ok(Submitted::Created)
    }

    async fn lookup(&self, id: JobId) -> Result<Option<StoredJob>, StoreError> {
        drop(self.reach()?);
        Ok(Some(StoredJob {
            record: self.record(id),
            result: None,
            context: self.context(id),
        }))
    }

    async fn result_part(&self, _id: JobId, _part: u32) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(None)
    }

    async fn claim(&self, language: &LanguageName, _worker: &WorkerId) -> Result<Option<Claim>, StoreError> {
        let mut state = self.reach()?;
        let due = state
            .queue
            .iter()
            .position(|id| state.jobs[id].submission.language == *language);
        let Some(id) = due.and_then(|due| state.queue.remove(due)) else {
            return Ok(None);
        };
        state.tokens += 1;
        let token = FencingToken(state.tokens);
        let job = state.jobs.get_mut(&id).unwrap();
        job.status = JobStatus::Running;
        job.token = token;
        job.attempt += 1;
        let lease = Lease {
            job: id,
            language: language.clone(),
            token,
        };
        let claim = Claim {
            lease,
            attempt: job.attempt,
            created_at: Timestamp::UNIX_EPOCH,
            submission: job.submission.clone(),
            context: job.context.clone(),
        };
        drop(state);
        self.0.changed.notify_waiters();
        Ok(Some(claim))
    }

    async fn wait_for_work(&self, _language: &LanguageName, longest: Duration) -> Result<(), StoreError> {
        let changed = self.0.changed.notified();
        if self.reach()?.queue.is_empty() {
            timeout(longest, changed).await.ok();
        }
        Ok(())
    }

    async fn renew(&self, lease: &Lease) -> Result<Renewal, StoreError> {
        self.reach()?.renewals += 1;
        let cancel = self.with_lease(lease, |job| job.cancel)?;
        Ok(cancel.map_or(Renewal::Lost, |cancel| {
            if cancel {
                Renewal::CancelRequested
            } else {
                Renewal::Held
            }
        }))
    }

    async fn finish(&self, lease: &Lease, outcome: Outcome) -> Result<Finish, StoreError> {
        let finished = self.with_lease(lease, |job| {
            job.status = outcome.status();
            job.result = Some(outcome.result().clone());
        })?;
        Ok(finished.map_or(Finish::Refused, |()| Finish::Accepted))
    }

    async fn release(&self, lease: &Lease) -> Result<Finish, StoreError> {
        let released = self.with_lease(lease, |job| {
            job.status = JobStatus::Queued;
            job.attempt -= 1;
        })?;
        Ok(released.map_or(Finish::Refused, |()| Finish::Accepted))
    }

    async fn retry(&self, lease: &Lease, reason: &str) -> Result<Retry, StoreError> {
        let retried = self.with_lease(lease, |job| {
            if job.attempt < MAX_ATTEMPTS {
                job.status = JobStatus::Queued;
                return Retry::Requeued;
            }
            let tests = u32::try_from(job.submission.test_cases.len()).unwrap();
            job.status = JobStatus::Failed;
            job.error = Some(reason.to_owned());
            job.result = Some(JobResult::not_graded(
                OverallStatus::InternalError,
                Verdict::InternalError,
                tests,
            ));
            Retry::Dead
        })?;
        Ok(retried.unwrap_or(Retry::Refused))
    }

    async fn cancel(&self, id: JobId) -> Result<Cancel, StoreError> {
        self.reach()?.jobs.get_mut(&id).unwrap().cancel = true;
        self.0.events.send(JobEvent::CancelRequested(id)).ok();
        Ok(Cancel::Requested)
    }

    async fn depths(&self, _languages: &[LanguageName]) -> Result<Vec<QueueDepth>, StoreError> {
        self.reach().map(|_| Vec::new())
    }

    async fn totals(&self) -> Result<Totals, StoreError> {
        self.reach().map(|_| Totals::default())
    }
}

#[async_trait]
impl WorkerRegistry for FakeStore {
    async fn heartbeat(&self, worker: &WorkerInfo) -> Result<(), StoreError> {
        let panics = std::mem::take(&mut self.reach()?.panics);
        assert!(!panics, "as asked for");
        let mut state = self.reach()?;
        state.workers.retain(|known| known.id != worker.id);
        state.workers.push(worker.clone());
        drop(state);
        self.0.changed.notify_waiters();
        Ok(())
    }

    async fn deregister(&self, worker: &WorkerId) -> Result<(), StoreError> {
        self.reach()?.workers.retain(|known| known.id != *worker);
        Ok(())
    }

    async fn workers(&self) -> Result<Vec<WorkerInfo>, StoreError> {
        Ok(self.reach()?.workers.clone())
    }
}

#[async_trait]
impl EventBus for FakeStore {
    fn subscribe(&self) -> JobEvents {
        self.0.events.subscribe().into()
    }

    fn publish(&self, _job: JobId, _progress: Progress) {}

    async fn follow(&self, _job: JobId, _after: u64) -> Result<Option<JobUpdates>, StoreError> {
        self.reach().map(|_| None)
    }
}

#[async_trait]
impl Upkeep for FakeStore {
    async fn reap(&self) -> Result<Reaped, StoreError> {
        self.reach().map(|_| Reaped::default())
    }

    async fn audit(&self) -> Result<Audited, StoreError> {
        self.reach().map(|_| Audited::default())
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.reach().map(drop)
    }
}
