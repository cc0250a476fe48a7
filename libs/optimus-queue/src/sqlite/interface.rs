//! [`JobStore`]: each method asks one of the threads and reads the answer.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use optimus_common::{
    FencingToken, JobId, LanguageName, WorkerId, causes, job::Outcome, submission::Submission,
};
use sha2::{Digest, Sha256};
use tokio::{sync::broadcast, time};

use super::{
    audit,
    claim::{self, Claimed, Leased},
    expiry::{self, Pass},
    reading,
    store::SqliteStore,
    submit::{self, Admission, Admitted, Key},
    transitions::{self, CancelAnswer, Held, Over},
};
use crate::{
    Audited, Cancel, Claim, Finish, JobEvent, JobStore, Lease, NewJob, QueueDepth, Reaped, Renewal, Retry,
    StoreError, StoredJob, Submitted, Totals, WorkerInfo,
    terms::{Ending, priority_name, status_from},
};

#[async_trait]
impl JobStore for SqliteStore {
    async fn submit(&self, job: NewJob) -> Result<Submitted, StoreError> {
        let id = job.id;
        let admission = admission(job)?;
        let admitted = self
            .writer
            .make(move |unit| submit::submit(unit, &admission))
            .await?;
        Ok(match admitted {
            Admitted::Created => Submitted::Created,
            Admitted::Full => Submitted::Full,
            Admitted::KeyReused => Submitted::KeyReused,
            Admitted::Existing(first) => {
                let existing = first.parse().map_err(|source| damaged(id, source))?;
                // Told so as well where its own first answer was lost and the job has expired since.
                if existing == id {
                    Submitted::Created
                } else {
                    Submitted::Existing(existing)
                }
            }
        })
    }

    async fn look(&self, id: JobId) -> Result<Option<StoredJob>, StoreError> {
        let now = self.shared.clock.now();
        let record = self
            .reader
            .ask(move |db| reading::record(db, &id.to_string(), now))
            .await?;
        record.map(|record| record.decode(id)).transpose()
    }

    async fn result_part(&self, id: JobId, part: u32) -> Result<Option<Vec<u8>>, StoreError> {
        let now = self.shared.clock.now();
        self.reader
            .ask(move |db| reading::result_part(db, &id.to_string(), part, now))
            .await
    }

    async fn claim(&self, language: &LanguageName, worker: &WorkerId) -> Result<Option<Claim>, StoreError> {
        loop {
            let (name, owner) = (language.clone(), worker.clone());
            let claimed = self
                .writer
                .make(move |unit| claim::claim(unit, name.as_str(), owner.as_str()))
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
        let work = self.shared.hub.work_for(language.as_str());
        let mut news = std::pin::pin!(work.notified());
        // From here on nothing is missed, not even what comes while the store is asked.
        news.as_mut().enable();
        let (name, now) = (language.clone(), self.shared.clock.now());
        let due_in = self
            .reader
            .ask(move |db| reading::due_in(db, name.as_str(), now))
            .await?;
        let longest = due_in.map_or(timeout, |millis| timeout.min(Duration::from_millis(millis)));
        // Nothing came within the time: as good an end as the other.
        let _ = time::timeout(longest, news).await;
        Ok(())
    }

    async fn renew(&self, lease: &Lease) -> Result<Renewal, StoreError> {
        let held = held(lease);
        self.writer
            .make(move |unit| transitions::renew(unit, &held))
            .await
    }

    async fn finish(&self, lease: &Lease, outcome: Outcome) -> Result<Finish, StoreError> {
        let ending = Ending::of(lease.job, outcome)?;
        self.end(lease, ending).await
    }

    async fn release(&self, lease: &Lease) -> Result<Finish, StoreError> {
        let held = held(lease);
        self.writer
            .make(move |unit| transitions::release(unit, &held))
            .await
    }

    async fn retry(&self, lease: &Lease, reason: &str) -> Result<Retry, StoreError> {
        let (held, reason) = (held(lease), reason.to_owned());
        self.writer
            .make(move |unit| transitions::retry(unit, &held, &reason))
            .await
    }

    async fn cancel(&self, id: JobId) -> Result<Cancel, StoreError> {
        let answer = self
            .writer
            .make(move |unit| transitions::cancel(unit, &id.to_string()))
            .await?;
        Ok(match answer {
            CancelAnswer::Cancelled => Cancel::Cancelled,
            CancelAnswer::Requested => Cancel::Requested,
            CancelAnswer::NotFound => Cancel::NotFound,
            CancelAnswer::Over(status) => {
                Cancel::AlreadyFinished(status_from(&status).map_err(|source| damaged(id, source))?)
            }
        })
    }

    fn subscribe(&self) -> broadcast::Receiver<JobEvent> {
        self.shared.hub.subscribe()
    }

    /// Also clears away what has expired.
    async fn reap(&self) -> Result<Reaped, StoreError> {
        let mut total = Reaped::default();
        loop {
            let (reaped, more) = self
                .writer
                .make(|unit| transitions::reap(unit, Over::Expired))
                .await?;
            total.requeued += reaped.requeued;
            total.dead += reaped.dead;
            if !more {
                break;
            }
        }
        while self.writer.make(expiry::expire).await? == Pass::More {}
        while self.writer.make(transitions::make_room).await? == Pass::More {}
        while self.writer.make(expiry::give_back).await? == Pass::More {}
        Ok(total)
    }

    async fn audit(&self) -> Result<Audited, StoreError> {
        if self.reader.ask(audit::is_miscounted).await? {
            self.writer.make(audit::recount).await?;
            tracing::warn!("the audit corrected the lengths of the lists");
        }
        Ok(Audited::default())
    }

    async fn heartbeat(&self, worker: &WorkerInfo) -> Result<(), StoreError> {
        self.workers.announce(worker);
        Ok(())
    }

    async fn goodbye(&self, worker: &WorkerId) -> Result<(), StoreError> {
        self.workers.forget(worker);
        Ok(())
    }

    async fn workers(&self) -> Result<Vec<WorkerInfo>, StoreError> {
        Ok(self.workers.alive(self.lease))
    }

    async fn queues(&self, languages: &[LanguageName]) -> Result<Vec<QueueDepth>, StoreError> {
        let languages = languages.to_vec();
        self.reader
            .ask(|db| {
                languages
                    .into_iter()
                    .map(|language| reading::depth(db, language))
                    .collect()
            })
            .await
    }

    async fn totals(&self) -> Result<Totals, StoreError> {
        self.reader.ask(reading::totals).await
    }

    /// Asks the thread that writes, without which nothing goes on.
    async fn ping(&self) -> Result<(), StoreError> {
        self.writer.make(|_| Ok(())).await
    }
}

impl SqliteStore {
    async fn end(&self, lease: &Lease, ending: Ending) -> Result<Finish, StoreError> {
        let held = held(lease);
        self.writer
            .make(move |unit| transitions::finish(unit, &held, &ending))
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
        match serde_json::from_slice::<Submission>(&leased.json) {
            Ok(submission) => Ok(Some(Claim {
                lease,
                attempt: leased.attempt,
                created_at: Timestamp::from_millisecond(leased.created)
                    .map_err(|source| damaged(job, source))?,
                submission,
            })),
            Err(cause) => {
                tracing::error!(job_id = %job, %language, error = causes(&cause), "a submission is damaged");
                self.end(&lease, Ending::unreadable(&cause)).await?;
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
    } = job;
    Ok(Admission {
        id: id.to_string(),
        language: submission.language.to_string(),
        priority: priority_name(submission.priority),
        tests: i64::try_from(submission.test_cases.len()).unwrap_or(i64::MAX),
        json: serde_json::to_vec(&submission).map_err(|source| damaged(id, source))?,
        metadata: submission.metadata.as_ref().map(ToString::to_string),
        idempotency: idempotency.map(|idempotency| Key {
            key: Sha256::digest(idempotency.key.as_bytes()).into(),
            body: idempotency.body_sha256,
        }),
    })
}

fn held(lease: &Lease) -> Held {
    Held {
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
