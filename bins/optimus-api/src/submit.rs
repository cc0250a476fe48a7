//! From a received body to a job the store can take. Everything a submission can be refused for, save a full queue,
//! is found here.

use optimus_common::{LanguageName, job::JobContext, language::Languages};
use optimus_judge::{plan::JobPlan, settings::LimitSettings};
use optimus_queue::{Idempotency, NewJob};
use sha2::{Digest, Sha256};

use crate::{json, problem::Problem};

/// Reads and checks a submission; `key` is the request's idempotency key, `context` what else it says beside its body.
pub(crate) fn new_job(
    body: &[u8],
    key: Option<String>,
    context: JobContext,
    languages: &Languages,
    limits: &LimitSettings,
) -> Result<NewJob, Problem> {
    let submission = json::read_submission(body, &limits.max)?;
    let language = languages
        .get(&submission.language)
        .ok_or_else(|| unknown_language(&submission.language, languages))?;
    submission.validate(&limits.max)?;
    // What it names is measured first, see `content::store`.
    if submission.named_content().next().is_none() {
        JobPlan::new(&submission, language, limits)?;
    }
    let idempotency = key.map(|key| Idempotency {
        key,
        body_sha256: Sha256::digest(body).into(),
    });
    Ok(NewJob {
        idempotency,
        context,
        ..NewJob::new(submission)
    })
}

fn unknown_language(name: &LanguageName, languages: &Languages) -> Problem {
    let known: Vec<_> = languages
        .languages
        .iter()
        .map(|language| language.name.as_str())
        .collect();
    let known = if known.is_empty() {
        "none".to_owned()
    } else {
        known.join(", ")
    };
    Problem::invalid_field(
        "language",
        format!("{name} is not configured; there are: {known}"),
    )
}
