//! What every store writes down in the same words.

use std::error::Error;

use optimus_common::{
    JobId,
    job::{JobStatus, Outcome, Priority},
    result::{JobResult, OverallStatus, Verdict},
};

use crate::StoreError;

/// Largest result that is written, as JSON. A worker caps the streams it keeps far below this; a result that is larger
/// nevertheless fails its job rather than filling the store.
const MAX_RESULT_BYTES: usize = 64 << 20;

/// A terminal state as it is stored.
#[derive(Debug)]
pub(crate) struct Ending {
    pub(crate) status: JobStatus,
    pub(crate) verdict: Verdict,
    /// As JSON. Without one, [`ungraded`] says what the record shows.
    pub(crate) result: Option<String>,
    pub(crate) error: Option<String>,
}

impl Ending {
    pub(crate) fn of(job: JobId, outcome: Outcome) -> Result<Self, StoreError> {
        let result = serde_json::to_string(outcome.result()).map_err(|source| StoreError::Damaged {
            job,
            source: source.into(),
        })?;
        if result.len() > MAX_RESULT_BYTES {
            return Ok(Self::failed(format!(
                "its result has {} bytes, of which at most {MAX_RESULT_BYTES} can be kept",
                result.len()
            )));
        }
        Ok(Self {
            status: outcome.status(),
            verdict: outcome.result().verdict,
            result: Some(result),
            error: match outcome {
                Outcome::Failed { error, .. } => Some(error),
                Outcome::Completed(_) | Outcome::Cancelled(_) => None,
            },
        })
    }

    /// Over by a failure of ours.
    pub(crate) fn failed(error: String) -> Self {
        Self {
            status: JobStatus::Failed,
            verdict: Verdict::InternalError,
            result: None,
            error: Some(error),
        }
    }

    /// A submission that cannot be read back can never be graded: its job fails at once, not after three leases.
    pub(crate) fn unreadable(cause: &serde_json::Error) -> Self {
        Self::failed(format!("its submission in the store is damaged: {cause}"))
    }
}

/// The result of a job that ended without being graded.
pub(crate) fn ungraded(status: JobStatus, total_tests: u32) -> Option<JobResult> {
    match status {
        JobStatus::Cancelled => Some(JobResult::not_graded(
            OverallStatus::Cancelled,
            Verdict::Cancelled,
            total_tests,
        )),
        JobStatus::Failed => Some(JobResult::not_graded(
            OverallStatus::InternalError,
            Verdict::InternalError,
            total_tests,
        )),
        JobStatus::Queued | JobStatus::Running | JobStatus::Completed => None,
    }
}

pub(crate) fn status_from(name: &str) -> Result<JobStatus, Box<dyn Error + Send + Sync>> {
    JobStatus::ALL
        .into_iter()
        .find(|status| status.as_str() == name)
        .ok_or_else(|| format!("{name:?} is no job status").into())
}

/// The name of the list in which jobs of this priority wait.
pub(crate) fn priority_name(priority: Priority) -> &'static str {
    match priority {
        Priority::Interactive => "interactive",
        Priority::Normal => "normal",
        Priority::Batch => "batch",
    }
}
