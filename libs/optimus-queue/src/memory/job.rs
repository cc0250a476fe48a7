//! One job as it is kept.

use jiff::Timestamp;
use optimus_common::{
    FencingToken, JobId, LanguageName, WorkerId,
    job::{JobContext, JobRecord, JobStatus, Priority},
    submission::Submission,
};
use tokio::time::Instant;

use crate::{
    Lease, StoreError, StoredJob,
    encoding::{PART_BYTES, StoredEnd},
};

#[derive(Debug)]
pub(super) struct Job {
    pub(super) id: JobId,
    pub(super) language: LanguageName,
    pub(super) priority: Priority,
    pub(super) status: JobStatus,
    pub(super) attempts: u32,
    /// Of the latest lease.
    pub(super) token: u64,
    pub(super) cancel: bool,
    pub(super) worker: Option<WorkerId>,
    pub(super) tests: u32,
    pub(super) metadata: Option<serde_json::Value>,
    pub(super) context: JobContext,
    /// There until the job ends.
    pub(super) submission: Option<Submission>,
    /// Length of the submission as it would be stored.
    pub(super) bytes: u64,
    pub(super) submitted: Instant,
    pub(super) created: Timestamp,
    pub(super) started: Option<Timestamp>,
    pub(super) end: Option<End>,
}

#[derive(Debug)]
pub(super) struct End {
    pub(super) finished: Timestamp,
    pub(super) expires: Instant,
    pub(super) result: Option<Vec<u8>>,
    pub(super) gist: Option<Vec<u8>>,
    pub(super) error: Option<String>,
    /// The token under which it was finished.
    pub(super) by: Option<u64>,
}

impl Job {
    pub(super) fn is_held_under(&self, lease: &Lease) -> bool {
        self.status == JobStatus::Running && FencingToken(self.token) == lease.token
    }

    pub(super) fn is_expired(&self, now: Instant) -> bool {
        self.end.as_ref().is_some_and(|end| end.expires <= now)
    }

    pub(super) fn stored(&self) -> Result<StoredJob, StoreError> {
        let result = self.end.as_ref().and_then(|end| end.result.as_ref());
        let ended = StoredEnd {
            status: self.status,
            total_tests: self.tests,
            head: result.map(|json| json[..json.len().min(PART_BYTES)].to_vec()),
            bytes: result.map(|json| json.len() as u64),
            gist: self.end.as_ref().and_then(|end| end.gist.clone()),
        };
        let shown = ended.shown().map_err(|source| StoreError::Damaged {
            job: self.id,
            source: source.into(),
        })?;
        let record = JobRecord {
            job_id: self.id,
            status: self.status,
            language: self.language.clone(),
            attempts: self.attempts,
            created_at: self.created,
            started_at: self.started,
            finished_at: self.end.as_ref().map(|end| end.finished),
            result: shown.totals,
            details_dropped: shown.details_dropped,
            error: self.end.as_ref().and_then(|end| end.error.clone()),
            metadata: self.metadata.clone(),
        };
        Ok(StoredJob {
            record,
            result: shown.stored,
            context: self.context.clone(),
        })
    }

    pub(super) fn result_part(&self, part: u32) -> Option<Vec<u8>> {
        let json = self.end.as_ref()?.result.as_ref()?;
        let part = usize::try_from(part).ok().filter(|part| *part > 0)?;
        json.chunks(PART_BYTES).nth(part).map(<[u8]>::to_vec)
    }
}
