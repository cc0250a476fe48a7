//! [`JobQueue`]: each transition under one lock.

use std::{pin::pin, time::Duration};

use async_trait::async_trait;
use optimus_common::{
    FencingToken, JobId, LanguageName, Owner, WorkerId,
    job::{JobStatus, Outcome, Priority},
};
use tokio::time::{Instant, timeout_at};

use super::{change::Change, job::Job, state::KnownKey, store::MemoryStore};
use crate::{
    Cancel, Claim, Finish, Idempotency, JobEvent, JobQueue, Lease, NewJob, QueueDepth, Renewal, Retry,
    StoreError, StoredJob, Submitted, Totals, encoding::TerminalState,
};

#[async_trait]
impl JobQueue for MemoryStore {
    async fn submit(&self, job: NewJob) -> Result<Submitted, StoreError> {
        let bytes = serde_json::to_vec(&job.submission).map_err(|source| StoreError::Damaged {
            job: job.id,
            source: source.into(),
        })?;
        Ok(self.inner().make(|change| change.submit(job, bytes.len() as u64)))
    }

    async fn submitted_before(
        &self,
        owner: &Owner,
        idempotency: &Idempotency,
    ) -> Result<Option<Submitted>, StoreError> {
        let key = (owner.clone(), idempotency.key.clone());
        Ok(self.inner().read(|state, now| {
            let known = state.keys.get(&key).filter(|known| known.expires > now)?;
            Some(idempotency.known_as(known.job, &known.body_sha256))
        }))
    }

    async fn lookup(&self, id: JobId) -> Result<Option<StoredJob>, StoreError> {
        self.inner()
            .read(|state, now| state.known(id, now).map(Job::stored).transpose())
    }

    async fn result_part(&self, id: JobId, part: u32) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self
            .inner()
            .read(|state, now| state.known(id, now).and_then(|job| job.result_part(part))))
    }

    async fn claim(&self, language: &LanguageName, worker: &WorkerId) -> Result<Option<Claim>, StoreError> {
        Ok(self.inner().make(|change| change.claim(language, worker)))
    }

    async fn wait_for_work(&self, language: &LanguageName, timeout: Duration) -> Result<(), StoreError> {
        let work = self.inner().notifier.work_for(language.as_str());
        let mut woken = pin!(work.notified());
        // From here on nothing is missed, not even what comes while the store is asked.
        woken.as_mut().enable();
        let now = Instant::now();
        let due = self.inner().read(|state, now| {
            let places = state.places.get(language)?;
            places.due_at(now)
        });
        // An instant so far away is never.
        let latest = now.checked_add(timeout).unwrap_or(now + Duration::from_hours(24));
        let until = due.map_or(latest, |due| due.min(latest));
        // Nothing came within the time: as good an end as the other.
        let _ = timeout_at(until, woken).await;
        Ok(())
    }

    async fn renew(&self, lease: &Lease) -> Result<Renewal, StoreError> {
        Ok(self.inner().make(|change| {
            let Some(cancel) = change.held(lease).map(|job| job.cancel) else {
                return Renewal::Lost;
            };
            let until = change.now.steady + change.rules.lease;
            let places = change.state.places(&lease.language);
            places.take_out(lease.job);
            places.running.insert((until, lease.job));
            if cancel {
                Renewal::CancelRequested
            } else {
                Renewal::Held
            }
        }))
    }

    async fn finish(&self, lease: &Lease, outcome: Outcome) -> Result<Finish, StoreError> {
        let end = TerminalState::of(lease.job, outcome)?;
        Ok(self.inner().make(|change| change.finish(lease, end)))
    }

    async fn release(&self, lease: &Lease) -> Result<Finish, StoreError> {
        Ok(self.inner().make(|change| {
            let Some(job) = change.held(lease) else {
                return Finish::Refused;
            };
            if job.cancel {
                change.cancelled(lease.job);
                return Finish::Accepted;
            }
            job.status = JobStatus::Queued;
            job.attempts -= 1;
            job.started = None;
            job.worker = None;
            change.put_first(lease.job);
            change.tell_given_back(lease.job);
            change.tell_work(&lease.language);
            Finish::Accepted
        }))
    }

    async fn retry(&self, lease: &Lease, reason: &str) -> Result<Retry, StoreError> {
        Ok(self.inner().make(|change| {
            if change.held(lease).is_none() {
                return Retry::Refused;
            }
            let taken_back = change.take_back(lease.job, reason);
            taken_back.map_or(Retry::Refused, Retry::from)
        }))
    }

    async fn cancel(&self, id: JobId) -> Result<Cancel, StoreError> {
        Ok(self.inner().make(|change| {
            let now = change.now.steady;
            let job = change.state.jobs.get_mut(&id).filter(|job| !job.is_expired(now));
            let Some(job) = job else {
                return Cancel::NotFound;
            };
            match job.status {
                JobStatus::Queued => {
                    change.cancelled(id);
                    Cancel::Cancelled
                }
                JobStatus::Running => {
                    job.cancel = true;
                    change.tell(JobEvent::CancelRequested(id));
                    Cancel::Requested
                }
                over => Cancel::AlreadyFinished(over),
            }
        }))
    }

    async fn depths(&self, languages: &[LanguageName]) -> Result<Vec<QueueDepth>, StoreError> {
        Ok(self.inner().read(|state, _| {
            let depth = |language: &LanguageName| match state.places.get(language) {
                Some(places) => places.depth(language.clone()),
                None => super::places::Places::default().depth(language.clone()),
            };
            languages.iter().map(depth).collect()
        }))
    }

    async fn totals(&self) -> Result<Totals, StoreError> {
        Ok(self.inner().read(|state, _| state.totals.clone()))
    }
}

impl Change<'_> {
    fn held(&mut self, lease: &Lease) -> Option<&mut Job> {
        let job = self.state.jobs.get_mut(&lease.job)?;
        job.is_held_under(lease).then_some(job)
    }

    fn submit(&mut self, job: NewJob, bytes: u64) -> Submitted {
        let now = self.now.steady;
        self.state.expire(now);
        if self.state.jobs.contains_key(&job.id) {
            return Submitted::Created;
        }
        let owner = job.context.owner.clone();
        let key = job.idempotency.as_ref().map(|given| (owner, given.key.clone()));
        if let (Some(key), Some(Idempotency { body_sha256, .. })) = (&key, &job.idempotency)
            && let Some(known) = self.state.keys.get(key)
        {
            return match known.body_sha256 == *body_sha256 {
                false => Submitted::KeyReused,
                // Told so as well where its own first answer was lost and the job has expired since.
                true if known.job == job.id => Submitted::Created,
                true => Submitted::Existing(known.job),
            };
        }
        let language = job.submission.language.clone();
        let waiting = self.state.places(&language).depth(language.clone()).waiting();
        let stored = self.state.totals.stored_bytes.saturating_add(bytes);
        if waiting >= self.rules.max_waiting_jobs || stored > self.rules.max_stored_bytes {
            return Submitted::Full;
        }
        if let (Some(key), Some(idempotency)) = (key, job.idempotency) {
            let known = KnownKey {
                job: job.id,
                body_sha256: idempotency.body_sha256,
                expires: now + self.rules.result_ttl,
            };
            self.state.keys.insert(key, known);
        }
        self.state.totals.stored_bytes = stored;
        *self.state.totals.submitted.entry(language.clone()).or_default() += 1;
        let priority = job.submission.priority;
        self.state.places(&language).list(priority).push_back(job.id);
        let new = Job {
            id: job.id,
            language: language.clone(),
            priority,
            status: JobStatus::Queued,
            attempts: 0,
            token: 0,
            cancel: false,
            worker: None,
            tests: u32::try_from(job.submission.test_cases.len()).unwrap_or(u32::MAX),
            metadata: job.submission.metadata.clone(),
            context: job.context,
            submission: Some(job.submission),
            bytes,
            submitted: now,
            created: self.now.wall,
            started: None,
            end: None,
        };
        self.state.jobs.insert(job.id, new);
        self.tell_work(&language);
        Submitted::Created
    }

    fn claim(&mut self, language: &LanguageName, worker: &WorkerId) -> Option<Claim> {
        for id in self.state.places(language).take_due(self.now.steady) {
            self.put_first(id);
        }
        let id = self.next(language)?;
        let until = self.now.steady + self.rules.lease;
        let places = self.state.places(language);
        places.take_out(id);
        places.running.insert((until, id));
        let job = self.state.jobs.get_mut(&id)?;
        job.status = JobStatus::Running;
        job.token += 1;
        job.attempts += 1;
        job.started = Some(self.now.wall);
        job.worker = Some(worker.clone());
        let claim = Claim {
            lease: Lease {
                job: id,
                language: language.clone(),
                token: FencingToken(job.token),
            },
            attempt: job.attempts,
            created_at: job.created,
            submission: job.submission.clone()?,
            context: job.context.clone(),
        };
        self.tell_leased(id, claim.lease.token);
        Some(claim)
    }

    /// The head that was submitted first, normal and batch jobs counting as submitted later by the head starts they give.
    fn next(&mut self, language: &LanguageName) -> Option<JobId> {
        let head_start = self.rules.priority_head_start;
        let heads = self.state.places.get(language)?.heads();
        let counted = heads.filter_map(|(priority, id)| {
            let handicap = match priority {
                Priority::Interactive => Duration::ZERO,
                Priority::Normal => head_start,
                Priority::Batch => head_start.saturating_mul(11),
            };
            let submitted = self.state.jobs.get(&id)?.submitted;
            Some((submitted.checked_add(handicap), id))
        });
        // Without a time it counts as the last.
        let order = |(at, _): &(Option<Instant>, JobId)| (at.is_none(), *at);
        counted.min_by_key(order).map(|(_, id)| id)
    }

    fn finish(&mut self, lease: &Lease, end: TerminalState) -> Finish {
        if self.held(lease).is_some() {
            self.conclude(lease.job, end, Some(lease.token.0));
            return Finish::Accepted;
        }
        // The caller asks again because it did not hear the first answer.
        let known = self.state.known(lease.job, self.now.steady);
        match known.and_then(|job| job.end.as_ref()) {
            Some(end) if end.by == Some(lease.token.0) => Finish::Accepted,
            _ => Finish::Refused,
        }
    }
}
