//! What the fuzz targets need of this crate's private parts.

use std::time::Duration;

use optimus_common::{language::Language, result::JobResult, settings::Results, submission::Submission};
use optimus_judge::plan::JobPlan;
use optimus_sandbox::session::JobSession;

use crate::grading::{self, Task};

/// Grades a job in a box that has got it; an error says in words why the box gave no result.
pub async fn grade(
    session: &mut JobSession,
    submission: &Submission,
    language: &Language,
    plan: &JobPlan,
    results: &Results,
) -> Result<JobResult, String> {
    let task = Task {
        submission,
        language,
        plan,
        results,
        most_checking: Duration::MAX,
    };
    grading::grade(session, task)
        .await
        .map_err(|error| format!("{:#}", anyhow::Error::new(error)))
}
