//! The life of a job. Every store obeys the transitions written here.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    ids::{GroupId, JobId, LanguageName, Owner},
    result::JobResult,
    shape,
    trace::TraceContext,
};

/// Where a job stands. The last three are terminal: nothing follows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum JobStatus {
    /// Waits for a worker, for the first time or again after a lost lease.
    Queued,
    /// Leased to a worker.
    Running,
    /// Graded, whatever the verdict.
    Completed,
    /// Optimus could not grade it; `error` says why. Never the submission's fault.
    Failed,
    /// Cancelled by the client before it was graded.
    Cancelled,
}

impl JobStatus {
    pub const ALL: [Self; 5] = [
        Self::Queued,
        Self::Running,
        Self::Completed,
        Self::Failed,
        Self::Cancelled,
    ];

    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }

    /// Whether a job may go from `self` to `next`.
    ///
    /// `Queued -> Failed` is a job found without its submission or out of attempts.
    pub fn may_become(self, next: Self) -> bool {
        match self {
            Self::Queued => matches!(next, Self::Running | Self::Cancelled | Self::Failed),
            Self::Running => {
                matches!(
                    next,
                    Self::Queued | Self::Completed | Self::Failed | Self::Cancelled
                )
            }
            Self::Completed | Self::Failed | Self::Cancelled => false,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Which list of its language a job waits in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case", remote = "Self")]
pub enum Priority {
    /// Somebody waits for the answer.
    Interactive,
    #[default]
    Normal,
    /// Nobody waits; aged, so that it never starves.
    Batch,
}

shape::words!(Priority);

impl Priority {
    pub const ALL: [Self; 3] = [Self::Interactive, Self::Normal, Self::Batch];
}

/// What `GET /jobs/:id` answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JobRecord {
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = "uuid"))]
    pub job_id: JobId,
    pub status: JobStatus,
    #[cfg_attr(feature = "openapi", schema(value_type = String, example = "python"))]
    pub language: LanguageName,
    /// How often a worker has claimed it; more than 1 after a worker died.
    pub attempts: u32,
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub created_at: Timestamp,
    /// When it was last claimed.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub started_at: Option<Timestamp>,
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub finished_at: Option<Timestamp>,
    /// Set in every terminal state.
    pub result: Option<JobResult>,
    /// Whether `result` has the totals alone, without `compile` and `test_results`: those of the oldest results make
    /// room where all results together are larger than the installation keeps (`queue.max_result_bytes`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(feature = "openapi", schema(required = false))]
    pub details_dropped: bool,
    /// Why Optimus could not grade it; set where `status` is `failed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The submission's `metadata`, unchanged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<serde_json::Value>,
}

/// Who and where a job comes from. It travels with the job, and no grading depends on it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobContext {
    pub owner: Owner,
    /// The span of the client that asked for it.
    pub trace: Option<TraceContext>,
    pub group: Option<GroupId>,
}

/// A terminal state with its result, as a worker reports it.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    Completed(JobResult),
    Failed { result: JobResult, error: String },
    Cancelled(JobResult),
}

impl Outcome {
    pub fn status(&self) -> JobStatus {
        match self {
            Self::Completed(_) => JobStatus::Completed,
            Self::Failed { .. } => JobStatus::Failed,
            Self::Cancelled(_) => JobStatus::Cancelled,
        }
    }

    pub fn result(&self) -> &JobResult {
        match self {
            Self::Completed(result) | Self::Failed { result, .. } | Self::Cancelled(result) => result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_states_never_change() {
        for from in JobStatus::ALL.into_iter().filter(|s| s.is_terminal()) {
            for to in JobStatus::ALL {
                assert!(!from.may_become(to), "{from:?} -> {to:?}");
            }
        }
    }

    #[test]
    fn every_state_is_reachable_from_queued() {
        for to in [JobStatus::Running, JobStatus::Cancelled, JobStatus::Failed] {
            assert!(JobStatus::Queued.may_become(to));
        }
        assert!(JobStatus::Running.may_become(JobStatus::Completed));
        assert!(JobStatus::Running.may_become(JobStatus::Queued));
        assert!(
            !JobStatus::Queued.may_become(JobStatus::Completed),
            "nothing is graded without a lease"
        );
    }
}
