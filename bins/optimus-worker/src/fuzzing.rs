//! What the fuzz targets need of this crate's private parts.

use std::time::Duration;

use optimus_common::{language::Language, result::JobResult, submission::Submission};
use optimus_judge::{engine::Engine, plan::JobPlan, settings::ResultSettings};
use optimus_sandbox::session::Session;

use crate::grading;

/// Grades a job in a box that waits for one; an error says in words why the box gave no result.
pub async fn grade(
    session: Session,
    submission: &Submission,
    language: &Language,
    plan: &JobPlan,
    results: &ResultSettings,
) -> Result<JobResult, String> {
    let engine = Engine::new(submission, language, plan, results);
    grading::grade(session, &mut None, engine, plan, Duration::MAX, None)
        .await
        .map_err(|error| format!("{:#}", anyhow::Error::new(error)))
}
