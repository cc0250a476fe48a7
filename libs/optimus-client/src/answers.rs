//! What the API answers beside the domain's own types.
//!
//! Only what clients use is read, and what a newer release adds is passed over.

use optimus_common::{JobId, job::JobStatus};
use serde::{Deserialize, Serialize};

/// Where a job stands, as a submission and a cancellation are answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobState {
    pub job_id: JobId,
    pub status: JobStatus,
}

/// A configured language.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct LanguageEntry {
    pub name: String,
    /// With its dot.
    pub file_extension: String,
    /// What its sources may end in as well.
    #[serde(default)]
    pub other_extensions: Vec<String>,
    /// Whether a worker takes its jobs at the moment.
    pub available: bool,
    /// Why no worker takes its jobs.
    pub reason: Option<String>,
}

impl LanguageEntry {
    /// All endings of its sources, the usual one first.
    pub fn extensions(&self) -> impl Iterator<Item = &str> {
        [&self.file_extension]
            .into_iter()
            .chain(&self.other_extensions)
            .map(String::as_str)
    }
}

/// A language's queue and workers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueEntry {
    pub language: String,
    /// Jobs that wait, in all: the sum of the next four.
    pub waiting: u64,
    pub interactive: u64,
    pub normal: u64,
    pub batch: u64,
    /// Waiting for the delay after a failure of Optimus to end.
    pub delayed: u64,
    /// Leased to a worker.
    pub running: u64,
    /// Out of attempts, and kept for inspection.
    pub dead: u64,
    /// Workers that take its jobs.
    pub workers: u64,
    /// Jobs they can run at once.
    pub slots: u64,
    /// Jobs they run.
    pub busy: u64,
}
