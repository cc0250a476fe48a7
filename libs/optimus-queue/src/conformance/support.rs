//! Jobs, outcomes and waiting for the suite.

use std::time::{Duration, Instant};

use optimus_common::{
    JobId, LanguageName, WorkerId,
    job::{JobRecord, JobStatus, Outcome, Priority},
    result::{JobResult, OverallStatus, Verdict},
    submission::Submission,
};
use serde_json::json;
use tokio::time;

use super::jobs;
pub(super) use super::jobs::TIMEOUT;
use crate::{Claim, JobStore, NewJob, QueueDepth, Submitted, settings::QueueSettings};

/// The shipped settings, changed.
pub(super) fn settings(change: impl FnOnce(&mut QueueSettings)) -> QueueSettings {
    let mut queue = jobs::queue();
    change(&mut queue);
    queue
}

/// Leases that are over when they begin, and no backoff: what a crashed worker leaves, without the waiting.
pub(super) fn lost_at_once(queue: &mut QueueSettings) {
    queue.lease = Duration::ZERO;
    queue.retry_backoff = Duration::ZERO;
}

pub(super) fn language() -> LanguageName {
    jobs::python()
}

pub(super) fn worker() -> WorkerId {
    WorkerId::from("worker-of-the-suite".to_owned())
}

pub(super) fn submission() -> Submission {
    submission_with(json!({}))
}

/// A submission of two tests, with these fields changed.
pub(super) fn submission_with(fields: serde_json::Value) -> Submission {
    let mut json = json!({
        "language": "python",
        "source_code": "print(input())",
        "test_cases": [
            {"id": 1, "input": "a\n", "expected_output": "a\n"},
            {"id": 2, "input": "b\n", "expected_output": "b\n"},
        ],
    });
    let (Some(all), serde_json::Value::Object(fields)) = (json.as_object_mut(), fields) else {
        unreachable!()
    };
    all.extend(fields);
    serde_json::from_value(json).unwrap()
}

pub(super) fn job(submission: Submission) -> NewJob {
    NewJob::new(submission)
}

pub(super) fn with_priority(priority: Priority) -> NewJob {
    job(Submission {
        priority,
        ..submission()
    })
}

pub(super) async fn submit(store: &dyn JobStore) -> JobId {
    submit_job(store, job(submission())).await
}

pub(super) async fn submit_job(store: &dyn JobStore, job: NewJob) -> JobId {
    let id = job.id;
    assert_eq!(store.submit(job).await.unwrap(), Submitted::Created);
    id
}

pub(super) async fn try_claim(store: &dyn JobStore) -> Option<Claim> {
    store.claim(&language(), &worker()).await.unwrap()
}

pub(super) async fn claim(store: &dyn JobStore) -> Claim {
    try_claim(store).await.expect("a job is due")
}

/// Claims as soon as something is due.
pub(super) async fn claim_when_due(store: &dyn JobStore) -> Claim {
    let start = Instant::now();
    loop {
        if let Some(claim) = try_claim(store).await {
            return claim;
        }
        pause(start, "a job is due").await;
    }
}

pub(super) async fn record(store: &dyn JobStore, id: JobId) -> JobRecord {
    store.get(id).await.unwrap().expect("the job is known")
}

pub(super) async fn status(store: &dyn JobStore, id: JobId) -> JobStatus {
    record(store, id).await.status
}

pub(super) async fn depth(store: &dyn JobStore) -> QueueDepth {
    store.depths(&[language()]).await.unwrap().remove(0)
}

pub(super) fn result(verdict: Verdict) -> JobResult {
    JobResult::not_graded(OverallStatus::Failed, verdict, 2)
}

pub(super) fn completed() -> Outcome {
    Outcome::Completed(result(Verdict::WrongAnswer))
}

/// Waits a little; fails where this has gone on for too long.
pub(super) async fn pause(since: Instant, awaited: &str) {
    assert!(since.elapsed() < TIMEOUT, "waited in vain until {awaited}");
    time::sleep(Duration::from_millis(5)).await;
}
