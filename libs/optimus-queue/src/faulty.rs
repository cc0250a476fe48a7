//! A store that fails when it is told to, around any other: for tests of what its users do then.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use futures_util::{StreamExt, future};
use optimus_common::{JobId, LanguageName, Owner, WorkerId, job::Outcome};
use tokio::time::sleep;

use crate::{
    Audited, Cancel, Claim, EventBus, Finish, Idempotency, JobEvents, JobQueue, JobUpdates, Lease, NewJob,
    Progress, QueueDepth, Reaped, Renewal, Retry, StoreError, StoredJob, Submitted, Totals, Upkeep,
    WorkerInfo, WorkerRegistry,
};

/// The methods that can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StoreCall {
    Submit,
    SubmittedBefore,
    Lookup,
    ResultPart,
    Claim,
    WaitForWork,
    Renew,
    Finish,
    Release,
    Retry,
    Cancel,
    Depths,
    Totals,
    Heartbeat,
    Deregister,
    Workers,
    Follow,
    Reap,
    Audit,
    Ping,
}

/// How one call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It does not happen, and its caller gets an error.
    Refused,
    /// It happens, and its caller gets an error.
    LostAnswer,
    /// It happens after that time.
    Late(Duration),
    /// It panics.
    Panic,
}

/// The other store, and what goes wrong with it. A clone is the same.
#[derive(Debug, Clone)]
pub struct FaultyStore<S> {
    inner: S,
    faults: Arc<Mutex<Faults>>,
}

#[derive(Debug, Default)]
struct Faults {
    is_unreachable: bool,
    loses_events: bool,
    /// What happens to the next calls of each kind, in order.
    next: HashMap<StoreCall, VecDeque<Fault>>,
    calls: HashMap<StoreCall, u64>,
}

impl<S> FaultyStore<S> {
    /// Nothing goes wrong yet.
    pub fn new(inner: S) -> Self {
        Self {
            inner,
            faults: Arc::default(),
        }
    }

    /// The store itself, with which nothing goes wrong.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    /// As long as it is, every call is [`Fault::Refused`], and who follows a job gets an error where there is something to tell.
    pub fn set_unreachable(&self, unreachable: bool) {
        self.faults().is_unreachable = unreachable;
    }

    /// As long as it is, subscribers hear of nothing, not even that they missed something.
    pub fn lose_events(&self, lose: bool) {
        self.faults().loses_events = lose;
    }

    /// The next call of this kind that is not said to fail already fails like this.
    pub fn fail_next(&self, call: StoreCall, fault: Fault) {
        self.faults().next.entry(call).or_default().push_back(fault);
    }

    /// How many calls of this kind there were, those that failed included.
    pub fn calls(&self, call: StoreCall) -> u64 {
        self.faults().calls.get(&call).copied().unwrap_or(0)
    }

    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn around<T>(
        &self,
        call: StoreCall,
        work: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        let fault = {
            let mut faults = self.faults();
            *faults.calls.entry(call).or_default() += 1;
            let next = faults.next.get_mut(&call).and_then(VecDeque::pop_front);
            next.or(faults.is_unreachable.then_some(Fault::Refused))
        };
        match fault {
            None => work.await,
            Some(Fault::Refused) => Err(unavailable("it is switched off")),
            Some(Fault::LostAnswer) => {
                work.await?;
                Err(unavailable("its answer was lost"))
            }
            Some(Fault::Late(delay)) => {
                sleep(delay).await;
                work.await
            }
            Some(Fault::Panic) => panic!("as asked for"),
        }
    }
}

fn unavailable(why: &str) -> StoreError {
    StoreError::Unavailable(why.into())
}

#[async_trait]
impl<S: JobQueue> JobQueue for FaultyStore<S> {
    async fn submit(&self, job: NewJob) -> Result<Submitted, StoreError> {
        self.around(StoreCall::Submit, self.inner.submit(job)).await
    }

    async fn submitted_before(
        &self,
        owner: &Owner,
        idempotency: &Idempotency,
    ) -> Result<Option<Submitted>, StoreError> {
        let asked = self.inner.submitted_before(owner, idempotency);
        self.around(StoreCall::SubmittedBefore, asked).await
    }

    async fn lookup(&self, id: JobId) -> Result<Option<StoredJob>, StoreError> {
        self.around(StoreCall::Lookup, self.inner.lookup(id)).await
    }

    async fn result_part(&self, id: JobId, part: u32) -> Result<Option<Vec<u8>>, StoreError> {
        self.around(StoreCall::ResultPart, self.inner.result_part(id, part))
            .await
    }

    async fn claim(&self, language: &LanguageName, worker: &WorkerId) -> Result<Option<Claim>, StoreError> {
        self.around(StoreCall::Claim, self.inner.claim(language, worker))
            .await
    }

    async fn wait_for_work(&self, language: &LanguageName, timeout: Duration) -> Result<(), StoreError> {
        self.around(
            StoreCall::WaitForWork,
            self.inner.wait_for_work(language, timeout),
        )
        .await
    }

    async fn renew(&self, lease: &Lease) -> Result<Renewal, StoreError> {
        self.around(StoreCall::Renew, self.inner.renew(lease)).await
    }

    async fn finish(&self, lease: &Lease, outcome: Outcome) -> Result<Finish, StoreError> {
        self.around(StoreCall::Finish, self.inner.finish(lease, outcome))
            .await
    }

    async fn release(&self, lease: &Lease) -> Result<Finish, StoreError> {
        self.around(StoreCall::Release, self.inner.release(lease)).await
    }

    async fn retry(&self, lease: &Lease, reason: &str) -> Result<Retry, StoreError> {
        self.around(StoreCall::Retry, self.inner.retry(lease, reason))
            .await
    }

    async fn cancel(&self, id: JobId) -> Result<Cancel, StoreError> {
        self.around(StoreCall::Cancel, self.inner.cancel(id)).await
    }

    async fn depths(&self, languages: &[LanguageName]) -> Result<Vec<QueueDepth>, StoreError> {
        self.around(StoreCall::Depths, self.inner.depths(languages)).await
    }

    async fn totals(&self) -> Result<Totals, StoreError> {
        self.around(StoreCall::Totals, self.inner.totals()).await
    }
}

#[async_trait]
impl<S: WorkerRegistry> WorkerRegistry for FaultyStore<S> {
    async fn heartbeat(&self, worker: &WorkerInfo) -> Result<(), StoreError> {
        self.around(StoreCall::Heartbeat, self.inner.heartbeat(worker))
            .await
    }

    async fn deregister(&self, worker: &WorkerId) -> Result<(), StoreError> {
        self.around(StoreCall::Deregister, self.inner.deregister(worker))
            .await
    }

    async fn workers(&self) -> Result<Vec<WorkerInfo>, StoreError> {
        self.around(StoreCall::Workers, self.inner.workers()).await
    }
}

#[async_trait]
impl<S: EventBus> EventBus for FaultyStore<S> {
    fn subscribe(&self) -> JobEvents {
        let faults = Arc::clone(&self.faults);
        JobEvents::new(self.inner.subscribe().filter(move |_| {
            let faults = faults.lock().unwrap_or_else(PoisonError::into_inner);
            future::ready(!faults.loses_events)
        }))
    }

    /// Lost where the store cannot be reached.
    fn publish(&self, lease: &Lease, progress: Progress) {
        if !self.faults().is_unreachable {
            self.inner.publish(lease, progress);
        }
    }

    async fn follow(&self, job: JobId, after: u64) -> Result<Option<JobUpdates>, StoreError> {
        let following = self
            .around(StoreCall::Follow, self.inner.follow(job, after))
            .await?;
        let faults = Arc::clone(&self.faults);
        Ok(following.map(|updates| {
            let has_heard_all = updates.has_heard_all();
            let updates = updates.map(move |next| {
                let faults = faults.lock().unwrap_or_else(PoisonError::into_inner);
                if faults.is_unreachable {
                    return Err(unavailable("it is switched off"));
                }
                next
            });
            JobUpdates::new(updates, has_heard_all)
        }))
    }
}

#[async_trait]
impl<S: Upkeep> Upkeep for FaultyStore<S> {
    async fn reap(&self) -> Result<Reaped, StoreError> {
        self.around(StoreCall::Reap, self.inner.reap()).await
    }

    async fn audit(&self) -> Result<Audited, StoreError> {
        self.around(StoreCall::Audit, self.inner.audit()).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.around(StoreCall::Ping, self.inner.ping()).await
    }
}
