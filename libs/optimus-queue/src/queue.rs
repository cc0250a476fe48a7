//! The queue of jobs: from a submission to its result.

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;
use optimus_common::{
    FencingToken, JobId, LanguageName, Owner, WorkerId,
    job::{JobContext, JobRecord, JobStatus, Outcome},
    submission::Submission,
};
use serde::{Deserialize, Serialize};

use crate::StoreError;

/// The queue of jobs. All times are the store's own, so that workers' clocks may differ.
///
/// Every method is one atomic transition: it happened wholly or not at all, also when the caller's future is dropped
/// or its connection breaks. A caller that got an error does not know which; every method is safe to call again.
#[async_trait]
pub trait JobQueue: Send + Sync + 'static {
    /// Stores a job with its queue entry. The caller has validated the submission.
    async fn submit(&self, job: NewJob) -> Result<Submitted, StoreError>;

    /// What [`JobQueue::submit`] would say to this key of the owner's, where it came before; `None` where it is new.
    async fn submitted_before(
        &self,
        owner: &Owner,
        idempotency: &Idempotency,
    ) -> Result<Option<Submitted>, StoreError>;

    /// The job with the first part of its result; `None` where the id is unknown or expired.
    async fn lookup(&self, id: JobId) -> Result<Option<StoredJob>, StoreError>;

    /// One of the further parts of a result, which never changes once it is written. Counted from 1: the first part
    /// comes with [`JobQueue::lookup`]. `None` where the result is gone meanwhile, or has no such part.
    async fn result_part(&self, id: JobId, part: u32) -> Result<Option<Vec<u8>>, StoreError>;

    /// The record as `GET /jobs/:id` shows it, all in memory; `None` where the id is unknown or expired.
    async fn get(&self, id: JobId) -> Result<Option<JobRecord>, StoreError> {
        'again: loop {
            let Some(StoredJob {
                mut record, result, ..
            }) = self.lookup(id).await?
            else {
                return Ok(None);
            };
            let Some(StoredResult {
                head: mut json,
                bytes,
                gist: _,
            }) = result
            else {
                return Ok(Some(record));
            };
            for part in 1.. {
                if json.len() as u64 >= bytes {
                    break;
                }
                match self.result_part(id, part).await? {
                    Some(more) => json.extend_from_slice(&more),
                    // It has expired, or lost its details.
                    None => continue 'again,
                }
            }
            let result = serde_json::from_slice(&json).map_err(|source| StoreError::Damaged {
                job: id,
                source: source.into(),
            })?;
            record.result = Some(result);
            return Ok(Some(record));
        }
    }

    /// Leases the next due job of this language: attempt + 1, a fresh token.
    async fn claim(&self, language: &LanguageName, worker: &WorkerId) -> Result<Option<Claim>, StoreError>;

    /// Returns when there may be work for this language, at the latest after `timeout`. A hint, never a promise:
    /// the claim alone decides.
    async fn wait_for_work(&self, language: &LanguageName, timeout: Duration) -> Result<(), StoreError>;

    /// Extends the lease to its full length from now.
    async fn renew(&self, lease: &Lease) -> Result<Renewal, StoreError>;

    /// Writes the result, if the token is still the job's latest and no result was written. Called again under the token
    /// that has finished the job, it is accepted and changes nothing. Where all results together are larger than is kept,
    /// the oldest lose their details.
    async fn finish(&self, lease: &Lease, outcome: Outcome) -> Result<Finish, StoreError>;

    /// Gives the job back unstarted: to the head of its list, attempt - 1. For draining. One that is to be cancelled
    /// becomes `cancelled`.
    async fn release(&self, lease: &Lease) -> Result<Finish, StoreError>;

    /// Gives the job back after a failure of ours: to the queue after a backoff, or dead as `failed` with this
    /// reason where it has no attempts left.
    async fn retry(&self, lease: &Lease, reason: &str) -> Result<Retry, StoreError>;

    /// Cancels a queued job at once; asks the owner of a running one, who hears of it by [`EventBus::subscribe`](crate::EventBus::subscribe) and
    /// [`JobQueue::renew`].
    async fn cancel(&self, id: JobId) -> Result<Cancel, StoreError>;

    /// Depths of these languages' queues.
    async fn depths(&self, languages: &[LanguageName]) -> Result<Vec<QueueDepth>, StoreError>;

    /// Totals since the store was made.
    async fn totals(&self) -> Result<Totals, StoreError>;
}

/// A job as it is stored: its record, and its result as the bytes that were written, which nobody needs to read in order
/// to hand them on.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredJob {
    /// Without a result where `result` has one.
    pub record: JobRecord,
    pub result: Option<StoredResult>,
    pub context: JobContext,
}

/// A result as JSON, of which the rest is read by [`JobQueue::result_part`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredResult {
    pub head: Vec<u8>,
    /// The result without its details, as JSON of the same shape; `None` where it was stored before there was one.
    pub gist: Option<Vec<u8>>,
    /// Length of the whole result.
    pub bytes: u64,
}

/// A validated submission on its way into the store.
#[derive(Debug, Clone)]
pub struct NewJob {
    pub id: JobId,
    pub submission: Submission,
    pub idempotency: Option<Idempotency>,
    pub context: JobContext,
}

impl NewJob {
    /// A job of the default owner's that belongs to nothing.
    pub fn new(submission: Submission) -> Self {
        Self {
            id: JobId::new(),
            submission,
            idempotency: None,
            context: JobContext::default(),
        }
    }
}

/// The client's `Idempotency-Key`, and a digest of the body it came with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    pub key: String,
    /// SHA-256 of the request body.
    pub body_sha256: [u8; 32],
}

impl Idempotency {
    /// What is said to it where its key made `job` before, by a body of this digest.
    pub(crate) fn known_as(&self, job: JobId, body_sha256: &[u8; 32]) -> Submitted {
        if self.body_sha256 == *body_sha256 {
            Submitted::Existing(job)
        } else {
            Submitted::KeyReused
        }
    }
}

/// Where a submission went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Submitted {
    Created,
    /// The same key and body made this job before.
    Existing(JobId),
    /// The same key came with another body.
    KeyReused,
    /// No room in this language's queue, or for this many bytes.
    Full,
}

impl Submitted {
    /// What is said of `job` where its key made `existing`.
    pub(crate) fn as_known(job: JobId, existing: JobId) -> Self {
        // Told so as well where its own first answer was lost and the job has expired since.
        if existing == job {
            Self::Created
        } else {
            Self::Existing(existing)
        }
    }
}

/// The right to run a job and to finish it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    pub job: JobId,
    pub language: LanguageName,
    pub token: FencingToken,
}

/// A job leased to the caller.
#[derive(Debug, Clone)]
pub struct Claim {
    pub lease: Lease,
    /// Counts from 1.
    pub attempt: u32,
    pub created_at: Timestamp,
    pub submission: Submission,
    pub context: JobContext,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewal {
    Held,
    /// Still held, but the client wants it cancelled.
    CancelRequested,
    /// Another owner has it, or it is finished: stop, and finish nothing.
    Lost,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    Accepted,
    /// The token is not the job's latest, or the job ended otherwise: nothing was changed.
    Refused,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    Requeued,
    /// Over, as `failed`: it is out of attempts.
    Dead,
    /// Over, as `cancelled`, which was asked for.
    Cancelled,
    Refused,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancel {
    /// It was queued and is cancelled now.
    Cancelled,
    /// It is running; its worker has been asked.
    Requested,
    AlreadyFinished(JobStatus),
    NotFound,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueDepth {
    pub language: LanguageName,
    pub interactive: u64,
    pub normal: u64,
    pub batch: u64,
    /// Waiting for their backoff to end.
    pub delayed: u64,
    pub running: u64,
    pub dead: u64,
}

impl QueueDepth {
    pub fn waiting(&self) -> u64 {
        self.interactive + self.normal + self.batch + self.delayed
    }
}

/// Counters that only grow, for metrics.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// Accepted submissions of each language.
    pub submitted: BTreeMap<LanguageName, u64>,
    /// Terminal jobs by language and verdict (`Verdict::as_str`).
    pub finished: BTreeMap<(LanguageName, String), u64>,
    /// Returned to a queue by [`Upkeep::reap`](crate::Upkeep::reap), [`JobQueue::retry`] or
    /// [`Upkeep::audit`](crate::Upkeep::audit), by language.
    pub requeued: BTreeMap<LanguageName, u64>,
    /// Bytes of all submissions held for jobs that are not finished.
    pub stored_bytes: u64,
    /// Bytes of all results held.
    pub result_bytes: u64,
}
