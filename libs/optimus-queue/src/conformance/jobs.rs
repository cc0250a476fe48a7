//! Small jobs, for tests of what one store alone does.

use std::time::Duration;

use optimus_common::{
    JobId, LanguageName, WorkerId,
    job::{JobStatus, Outcome},
    result::{JobResult, OverallStatus, Verdict},
    submission::Submission,
};
use serde_json::json;

use crate::{Claim, JobQueue, NewJob, Submitted, settings::QueueSettings};

/// Longer than any machine needs for what these tests wait for.
pub const TIMEOUT: Duration = Duration::from_mins(1);

/// The shipped settings.
pub fn queue() -> QueueSettings {
    optimus_settings::defaults_of::<QueueSettings>("queue")
}

pub fn python() -> LanguageName {
    "python".parse().unwrap()
}

pub fn worker() -> WorkerId {
    WorkerId::from("w1".to_owned())
}

pub fn job_of(source: &str) -> NewJob {
    let submission: Submission = serde_json::from_value(json!({
        "language": "python",
        "source_code": source,
        "test_cases": [{"id": 1, "input": "", "expected_output": ""}],
    }))
    .unwrap();
    NewJob::new(submission)
}

pub async fn submit(store: &dyn JobQueue) -> JobId {
    let job = job_of("pass");
    let id = job.id;
    assert_eq!(store.submit(job).await.unwrap(), Submitted::Created);
    id
}

pub async fn claim(store: &dyn JobQueue) -> Claim {
    store
        .claim(&python(), &worker())
        .await
        .unwrap()
        .expect("a job is due")
}

pub fn accepted() -> Outcome {
    Outcome::Completed(JobResult {
        score: Some(1.0),
        passed_tests: 1,
        ..JobResult::not_graded(OverallStatus::Success, Verdict::Accepted, 1)
    })
}

pub async fn status(store: &dyn JobQueue, id: JobId) -> JobStatus {
    store.get(id).await.unwrap().expect("the job is known").status
}
