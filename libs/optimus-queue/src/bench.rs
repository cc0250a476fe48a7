//! How fast a store takes and hands out jobs, through nothing but [`JobStore`].

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use optimus_common::{
    LanguageName, WorkerId,
    job::Outcome,
    result::{JobResult, OverallStatus, Verdict},
    submission::{Submission, TestCase},
};
use tokio::{task::JoinSet, time};

use crate::{
    Claim, Finish, JobStore, Lease, NewJob, StoreError, Submitted,
    redis::RedisStore,
    settings::{QueueSettings, RedisSettings},
};

/// How much is done.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Jobs submitted, then claimed and finished.
    pub jobs: u64,
    /// Callers at once.
    pub callers: u64,
    /// Jobs submitted one at a time to an idle worker.
    pub pickups: usize,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            jobs: 50_000,
            callers: 256,
            pickups: 300,
        }
    }
}

type Store = Arc<dyn JobStore>;

/// What was measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Report {
    pub jobs: u64,
    pub submits_per_second: f64,
    pub claims_and_finishes_per_second: f64,
    /// From before the submission of a job until an idle worker has claimed it.
    pub pickup_p50_ms: f64,
    pub pickup_p99_ms: f64,
}

/// Runs the plan in a Redis, on keys of its own, and deletes them afterwards.
pub async fn run(redis: &RedisSettings, queue: &QueueSettings, plan: Plan) -> Result<Report, StoreError> {
    let queue = with_room(queue, plan);
    let prefix = format!("optimus-bench-{}", WorkerId::new());
    // As in a fleet, submitting and claiming happen over connections of their own.
    let api = Arc::new(RedisStore::connect_with_prefix(redis, &queue, &prefix).await?);
    let worker = Arc::new(RedisStore::connect_with_prefix(redis, &queue, &prefix).await?);
    let report = measure(api.clone(), worker, plan).await;
    api.erase().await?;
    report
}

fn with_room(queue: &QueueSettings, plan: Plan) -> QueueSettings {
    let mut queue = queue.clone();
    queue.max_waiting_jobs = queue.max_waiting_jobs.max(plan.jobs);
    queue
}

async fn measure(api: Store, worker: Store, plan: Plan) -> Result<Report, StoreError> {
    let submits_per_second = per_second(plan, &api, submit).await?;
    let claims_and_finishes_per_second = per_second(plan, &worker, claim_and_finish).await?;
    let mut pickups = pickups(&api, &worker, plan.pickups).await?;
    pickups.sort_unstable();
    let percentile = |percent: usize| {
        let at = (pickups.len() * percent / 100).min(pickups.len().saturating_sub(1));
        pickups
            .get(at)
            .map_or(0.0, |pickup| pickup.as_secs_f64() * 1000.0)
    };
    Ok(Report {
        jobs: plan.jobs,
        submits_per_second,
        claims_and_finishes_per_second,
        pickup_p50_ms: percentile(50),
        pickup_p99_ms: percentile(99),
    })
}

/// Does this once for each job, by all callers at once.
#[expect(clippy::cast_precision_loss, reason = "a number of jobs is far below 2^52")]
async fn per_second<W>(
    plan: Plan,
    store: &Store,
    work: impl Fn(Store) -> W + Copy + Send + 'static,
) -> Result<f64, StoreError>
where
    W: Future<Output = Result<(), StoreError>> + Send,
{
    let begun = Arc::new(AtomicU64::new(0));
    let start = Instant::now();
    let mut callers = JoinSet::new();
    for _ in 0..plan.callers {
        let (begun, store) = (begun.clone(), store.clone());
        callers.spawn(async move {
            while begun.fetch_add(1, Ordering::Relaxed) < plan.jobs {
                work(store.clone()).await?;
            }
            Ok(())
        });
    }
    while let Some(result) = callers.join_next().await {
        result.map_err(failed)??;
    }
    Ok(plan.jobs as f64 / start.elapsed().as_secs_f64())
}

/// How long each of so many jobs took to reach a worker that waits for it.
async fn pickups(api: &Store, worker: &Store, count: usize) -> Result<Vec<Duration>, StoreError> {
    let waiting = {
        let worker = worker.clone();
        tokio::spawn(async move {
            let mut claimed = Vec::with_capacity(count);
            while claimed.len() < count {
                match claim(&*worker).await? {
                    Some(claim) => {
                        claimed.push(Instant::now());
                        finish(&*worker, &claim.lease).await?;
                    }
                    None => worker.wait_for_work(&language(), Duration::from_secs(5)).await?,
                }
            }
            Ok::<_, StoreError>(claimed)
        })
    };
    let mut submitted = Vec::with_capacity(count);
    for _ in 0..count {
        // Long enough for the worker to be idle again.
        time::sleep(Duration::from_millis(5)).await;
        submitted.push(Instant::now());
        submit(api.clone()).await?;
    }
    let claimed = waiting.await.map_err(failed)??;
    Ok(submitted
        .into_iter()
        .zip(claimed)
        .map(|(from, to)| to.duration_since(from))
        .collect())
}

async fn submit(store: Store) -> Result<(), StoreError> {
    let job = NewJob::new(small_submission());
    match store.submit(job).await? {
        Submitted::Created => Ok(()),
        refused => Err(failed(format!("a job of the benchmark was answered {refused:?}"))),
    }
}

async fn claim_and_finish(store: Store) -> Result<(), StoreError> {
    let claim = claim(&*store)
        .await?
        .ok_or_else(|| failed("a job of the benchmark is missing"))?;
    finish(&*store, &claim.lease).await
}

async fn claim(store: &dyn JobStore) -> Result<Option<Claim>, StoreError> {
    store
        .claim(&language(), &WorkerId::from("bench".to_owned()))
        .await
}

async fn finish(store: &dyn JobStore, lease: &Lease) -> Result<(), StoreError> {
    let result = JobResult::not_graded(OverallStatus::Cancelled, Verdict::Cancelled, 1);
    match store.finish(lease, Outcome::Cancelled(result)).await? {
        Finish::Accepted => Ok(()),
        Finish::Refused => Err(failed("a result of the benchmark was refused")),
    }
}

fn failed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
    StoreError::Unavailable(error.into())
}

fn language() -> LanguageName {
    "bench".parse().expect("a valid name")
}

fn small_submission() -> Submission {
    let tests = vec![TestCase::new(1, "1 2\n", "3\n")];
    Submission::new(language(), "print(sum(map(int, input().split())))", tests)
}
