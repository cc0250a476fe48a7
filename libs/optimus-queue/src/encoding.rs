//! What every store writes down in the same words.

use std::error::Error;

use optimus_common::{
    JobId, Owner, counted,
    job::{JobContext, JobStatus, Outcome, Priority},
    result::{JobResult, OverallStatus, Verdict},
    submission::Submission,
    trace::TraceContext,
};

use crate::{StoreError, StoredResult};

/// Largest result that is written, as JSON. A worker caps the streams it keeps far below this; a result that is larger
/// nevertheless fails its job rather than filling the store.
const MAX_RESULT_BYTES: usize = 64 << 20;

/// Results are stored and read in parts of this size, so that handing one on takes no memory for the whole. Part of the
/// format of the stores.
pub(crate) const PART_BYTES: usize = 64 << 10;

/// A terminal state as it is stored.
#[derive(Debug)]
pub(crate) struct TerminalState {
    pub(crate) status: JobStatus,
    pub(crate) verdict: Verdict,
    /// As JSON. Without one, [`ungraded`] says what the record shows.
    pub(crate) result: Option<String>,
    /// The totals of the result, as JSON of the same shape: what stays when its details have to make room.
    pub(crate) gist: Option<String>,
    pub(crate) error: Option<String>,
}

impl TerminalState {
    pub(crate) fn of(job: JobId, outcome: Outcome) -> Result<Self, StoreError> {
        let json = |result: &JobResult| {
            serde_json::to_string(result).map_err(|source| StoreError::Damaged {
                job,
                source: source.into(),
            })
        };
        let result = json(outcome.result())?;
        if result.len() > MAX_RESULT_BYTES {
            return Ok(Self::failed(format!(
                "its result has {}, of which at most {MAX_RESULT_BYTES} can be kept",
                counted(result.len(), "byte")
            )));
        }
        Ok(Self {
            status: outcome.status(),
            verdict: outcome.result().verdict,
            result: Some(result),
            gist: Some(json(&gist(outcome.result()))?),
            error: match outcome {
                Outcome::Failed { error, .. } => Some(error),
                Outcome::Completed(_) | Outcome::Cancelled(_) => None,
            },
        })
    }

    pub(crate) fn cancelled() -> Self {
        Self {
            status: JobStatus::Cancelled,
            verdict: Verdict::Cancelled,
            result: None,
            gist: None,
            error: None,
        }
    }

    /// Over by a failure of ours.
    pub(crate) fn failed(error: String) -> Self {
        Self {
            status: JobStatus::Failed,
            verdict: Verdict::InternalError,
            result: None,
            gist: None,
            error: Some(error),
        }
    }

    /// A job that cannot be read back can never be graded: it fails at once, not after three leases.
    pub(crate) fn unreadable(cause: &Unreadable) -> Self {
        Self::failed(format!("its {cause}"))
    }
}

fn gist(result: &JobResult) -> JobResult {
    JobResult {
        overall_status: result.overall_status,
        verdict: result.verdict,
        score: result.score,
        total_tests: result.total_tests,
        passed_tests: result.passed_tests,
        entry_point: None,
        compile: None,
        test_results: Vec::new(),
    }
}

/// Why a job that was claimed cannot be worked on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("submission in the store is damaged: {0}")]
    Submission(serde_json::Error),
    #[error("record in the store is damaged: {0}")]
    Context(Box<dyn Error + Send + Sync>),
}

/// A job's context as it is stored. Records of the first version have none of it.
#[derive(Debug, Default)]
pub(crate) struct StoredContext {
    pub(crate) owner: Option<String>,
    pub(crate) traceparent: Option<String>,
    pub(crate) tracestate: Option<String>,
    pub(crate) group: Option<String>,
}

impl StoredContext {
    pub(crate) fn of(context: &JobContext) -> Self {
        let trace = context.trace.as_ref();
        Self {
            owner: Some(context.owner.to_string()),
            traceparent: trace.map(|trace| trace.parent.to_string()),
            tracestate: trace
                .and_then(|trace| trace.state.as_ref())
                .map(ToString::to_string),
            group: context.group.map(|group| group.to_string()),
        }
    }

    /// A trace that cannot be read is none: no job fails for it.
    pub(crate) fn decode(self) -> Result<JobContext, Box<dyn Error + Send + Sync>> {
        let trace = self
            .traceparent
            .and_then(|parent| TraceContext::parse(&parent, self.tracestate.as_deref()).ok());
        Ok(JobContext {
            owner: self.owner.map(Owner::try_from).transpose()?.unwrap_or_default(),
            trace,
            group: self.group.map(|group| group.parse()).transpose()?,
        })
    }
}

/// What a worker needs of a job that it has claimed.
pub(crate) fn readable(
    submission: &[u8],
    context: StoredContext,
) -> Result<(Submission, JobContext), Unreadable> {
    let context = context.decode().map_err(Unreadable::Context)?;
    let submission = serde_json::from_slice(submission).map_err(Unreadable::Submission)?;
    Ok((submission, context))
}

/// What a store holds of a job's end.
#[derive(Debug)]
pub(crate) struct StoredEnd {
    pub(crate) status: JobStatus,
    pub(crate) total_tests: u32,
    /// The first part of the result.
    pub(crate) head: Option<Vec<u8>>,
    /// Length of the whole; where it was stored before lengths were, the first part is the whole.
    pub(crate) bytes: Option<u64>,
    pub(crate) gist: Option<Vec<u8>>,
}

/// What a record shows of it.
#[derive(Debug)]
pub(crate) struct ShownResult {
    pub(crate) stored: Option<StoredResult>,
    /// Where there is no stored result.
    pub(crate) totals: Option<JobResult>,
    pub(crate) details_dropped: bool,
}

impl StoredEnd {
    pub(crate) fn shown(self) -> serde_json::Result<ShownResult> {
        Ok(match (self.head, self.gist) {
            (Some(head), gist) => ShownResult {
                stored: Some(StoredResult {
                    gist,
                    bytes: self.bytes.unwrap_or(head.len() as u64),
                    head,
                }),
                totals: None,
                details_dropped: false,
            },
            (None, Some(gist)) => ShownResult {
                stored: None,
                totals: Some(serde_json::from_slice(&gist)?),
                details_dropped: true,
            },
            (None, None) => ShownResult {
                stored: None,
                totals: ungraded(self.status, self.total_tests),
                details_dropped: false,
            },
        })
    }
}

/// The result of a job that ended without being graded.
fn ungraded(status: JobStatus, total_tests: u32) -> Option<JobResult> {
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
