//! Jobs for these tests.

use std::time::Duration;

use optimus_common::{
    JobId, LanguageName, WorkerId,
    job::{JobStatus, Outcome},
    result::{JobResult, OverallStatus, Verdict},
    submission::Submission,
};
use optimus_queue::{Claim, JobQueue, NewJob, Submitted, redis::RedisStore, settings::QueueSettings};
use serde_json::json;

/// Longer than any machine needs for what these tests wait for.
pub(crate) const TIMEOUT: Duration = Duration::from_mins(1);

pub(crate) fn queue() -> QueueSettings {
    optimus_settings::defaults_of::<QueueSettings>("queue")
}

pub(crate) fn python() -> LanguageName {
    "python".parse().unwrap()
}

pub(crate) fn worker() -> WorkerId {
    WorkerId::from("w1".to_owned())
}

pub(crate) fn job_of(source: &str) -> NewJob {
    let submission: Submission = serde_json::from_value(json!({
        "language": "python",
        "source_code": source,
        "test_cases": [{"id": 1, "input": "", "expected_output": ""}],
    }))
    .unwrap();
    NewJob::new(submission)
}

pub(crate) async fn submit(store: &RedisStore) -> JobId {
    let job = job_of("pass");
    let id = job.id;
    assert_eq!(store.submit(job).await.unwrap(), Submitted::Created);
    id
}

pub(crate) async fn claim(store: &RedisStore) -> Claim {
    store
        .claim(&python(), &worker())
        .await
        .unwrap()
        .expect("a job is due")
}

pub(crate) fn accepted() -> Outcome {
    Outcome::Completed(JobResult {
        score: Some(1.0),
        passed_tests: 1,
        ..JobResult::not_graded(OverallStatus::Success, Verdict::Accepted, 1)
    })
}

pub(crate) async fn status(store: &RedisStore, id: JobId) -> JobStatus {
    store.get(id).await.unwrap().expect("the job is known").status
}
