//! [`JobQueue`]: each method asks one of the threads and reads the answer.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use optimus_common::{FencingToken, JobId, LanguageName, Owner, WorkerId, causes, job::Outcome};
use sha2::{Digest, Sha256};
use tokio::time;

use super::{
    claim::{self, Claimed, Leased},
    queries,
    store::SqliteStore,
    submit::{self, Admission, Admitted, Key},
    transitions::{self, CancelAnswer, LeaseRef},
};
use crate::{
    Cancel, Claim, Finish, Idempotency, JobQueue, Lease, NewJob, QueueDepth, Renewal, Retry, StoreError,
    StoredJob, Submitted, Totals,
    encoding::{StoredContext, TerminalState, priority_name, readable, status_from},
};

#[async_trait]
impl JobQueue for SqliteStore {
    async fn submit(&self, job: NewJob) -> Result<Submitted, StoreError> {
        let id = job.id;
        let admission = admission(job)?;
        let admitted = self
            .writer
            .make(move |txn| submit::submit(txn, &admission))
            .await?;
        Ok(match admitted {
            Admitted::Created => Submitted::Created,
            Admitted::Full => Submitted::Full,
            Admitted::KeyReused => Submitted::KeyReused,
            Admitted::Existing(first) => {
                let existing = first.parse().map_err(|source| damaged(id, source))?;
                Submitted::as_known(id, existing)
            }
        })
    }

    async fn submitted_before(
        &self,
        owner: &Owner,
        idempotency: &Idempotency,
    ) -> Result<Option<Submitted>, StoreError> {
        let now = self.context.clock.now();
        let key = owned_key(owner, &idempotency.key);
        let known = self
            .reader
            .ask(move |db| queries::key_owner(db, &key, now))
            .await?;
        let Some((job, body)) = known else { return Ok(None) };
        let job: Result<JobId, _> = job.parse();
        let job = job.map_err(|source| StoreError::Unavailable(source.into()))?;
        Ok(Some(idempotency.known_as(job, &body)))
    }

    async fn lookup(&self, id: JobId) -> Result<Option<StoredJob>, StoreError> {
        let now = self.context.clock.now();
        let record = self
            .reader
            .ask(move |db| queries::record(db, &id.to_string(), now))
            .await?;
        record.map(|record| record.decode(id)).transpose()
    }

    async fn result_part(&self, id: JobId, part: u32) -> Result<Option<Vec<u8>>, StoreError> {
        let now = self.context.clock.now();
        self.reader
            .ask(move |db| queries::result_part(db, &id.to_string(), part, now))
            .await
    }

    async fn claim(&self, language: &LanguageName, worker: &WorkerId) -> Result<Option<Claim>, StoreError> {
        loop {
            let (name, owner) = (language.clone(), worker.clone());
            let claimed = self
                .writer
                .make(move |txn| claim::claim(txn, name.as_str(), owner.as_str()))
                .await?;
            match claimed {
                Claimed::Nothing => return Ok(None),
                Claimed::Again => {}
                Claimed::Job(leased) => {
                    if let Some(claim) = self.readable(language, leased).await? {
                        return Ok(Some(claim));
                    }
                }
            }
        }
    }

    async fn wait_for_work(&self, language: &LanguageName, timeout: Duration) -> Result<(), StoreError> {
        let work = self.context.notifier.work_for(language.as_str());
        let mut woken = std::pin::pin!(work.notified());
        // From here on nothing is missed, not even what comes while the store is asked.
        woken.as_mut().enable();
        let (name, now) = (language.clone(), self.context.clock.now());
        let due_in = self
            .reader
            .ask(move |db| queries::due_in(db, name.as_str(), now))
            .await?;
        let longest = due_in.map_or(timeout, |millis| timeout.min(Duration::from_millis(millis)));
        // Nothing came within the time: as good an end as the other.
        let _ = time::timeout(longest, woken).await;
        Ok(())
    }

    async fn renew(&self, lease: &Lease) -> Result<Renewal, StoreError> {
        let lease = lease_ref(lease);
        self.writer.make(move |txn| transitions::renew(txn, &lease)).await
    }

    async fn finish(&self, lease: &Lease, outcome: Outcome) -> Result<Finish, StoreError> {
        let end = TerminalState::of(lease.job, outcome)?;
        self.conclude(lease, end).await
    }

    async fn release(&self, lease: &Lease) -> Result<Finish, StoreError> {
        let lease = lease_ref(lease);
        self.writer
            .make(move |txn| transitions::release(txn, &lease))
            .await
    }

    async fn retry(&self, lease: &Lease, reason: &str) -> Result<Retry, StoreError> {
        let (lease, reason) = (lease_ref(lease), reason.to_owned());
        self.writer
            .make(move |txn| transitions::retry(txn, &lease, &reason))
            .await
    }

    async fn cancel(&self, id: JobId) -> Result<Cancel, StoreError> {
        let answer = self
            .writer
            .make(move |txn| transitions::cancel(txn, &id.to_string()))
            .await?;
        Ok(match answer {
            CancelAnswer::Cancelled => Cancel::Cancelled,
            CancelAnswer::Requested => Cancel::Requested,
            CancelAnswer::NotFound => Cancel::NotFound,
            CancelAnswer::AlreadyFinished(status) => {
                Cancel::AlreadyFinished(status_from(&status).map_err(|source| damaged(id, source))?)
            }
        })
    }

    async fn depths(&self, languages: &[LanguageName]) -> Result<Vec<QueueDepth>, StoreError> {
        let languages = languages.to_vec();
        self.reader
            .ask(|db| {
                languages
                    .into_iter()
                    .map(|language| queries::depth(db, language))
                    .collect()
            })
            .await
    }

    async fn totals(&self) -> Result<Totals, StoreError> {
        self.reader.ask(queries::totals).await
    }
}

impl SqliteStore {
    async fn conclude(&self, lease: &Lease, end: TerminalState) -> Result<Finish, StoreError> {
        let lease = lease_ref(lease);
        self.writer
            .make(move |txn| transitions::finish(txn, &lease, &end))
            .await
    }

    /// `None` where the submission cannot be read: then the job is over.
    async fn readable(&self, language: &LanguageName, leased: Leased) -> Result<Option<Claim>, StoreError> {
        let job = leased
            .id
            .parse::<JobId>()
            .map_err(|error| StoreError::Unavailable(error.into()))?;
        let lease = Lease {
            job,
            language: language.clone(),
            token: FencingToken(leased.token.cast_unsigned()),
        };
        match readable(&leased.json, leased.context) {
            Ok((submission, context)) => Ok(Some(Claim {
                lease,
                attempt: leased.attempt,
                created_at: Timestamp::from_millisecond(leased.created)
                    .map_err(|source| damaged(job, source))?,
                submission,
                context,
            })),
            Err(cause) => {
                tracing::error!(job_id = %job, %language, error = causes(&cause), "a claimed job cannot be read");
                self.conclude(&lease, TerminalState::unreadable(&cause)).await?;
                Ok(None)
            }
        }
    }
}

fn admission(job: NewJob) -> Result<Admission, StoreError> {
    let NewJob {
        id,
        submission,
        idempotency,
        context,
    } = job;
    Ok(Admission {
        id: id.to_string(),
        language: submission.language.to_string(),
        priority: priority_name(submission.priority),
        tests: i64::try_from(submission.test_cases.len()).unwrap_or(i64::MAX),
        json: serde_json::to_vec(&submission).map_err(|source| damaged(id, source))?,
        metadata: submission.metadata.as_ref().map(ToString::to_string),
        context: StoredContext::of(&context),
        idempotency: idempotency.map(|idempotency| Key {
            key: owned_key(&context.owner, &idempotency.key),
            body: idempotency.body_sha256,
        }),
    })
}

/// The digest of a key, followed by its owner where that is not the default one.
fn owned_key(owner: &Owner, key: &str) -> Vec<u8> {
    let mut digest = Sha256::digest(key.as_bytes()).to_vec();
    if *owner != Owner::default() {
        digest.extend_from_slice(owner.as_str().as_bytes());
    }
    digest
}

fn lease_ref(lease: &Lease) -> LeaseRef {
    LeaseRef {
        id: lease.job.to_string(),
        token: lease.token.0.cast_signed(),
    }
}

fn damaged(job: JobId, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
    StoreError::Damaged {
        job,
        source: source.into(),
    }
}
