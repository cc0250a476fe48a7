//! All jobs, and what becomes of them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use optimus_common::{
    JobId, LanguageName, Owner, counted,
    job::{JobStatus, Priority},
    result::Verdict,
};
use tokio::time::Instant;

use super::{
    job::{End, Job},
    places::Places,
    store::Change,
};
use crate::{Audited, JobEvent, Totals, encoding::TerminalState};

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) jobs: HashMap<JobId, Job>,
    pub(super) places: BTreeMap<LanguageName, Places>,
    pub(super) keys: HashMap<(Owner, String), KnownKey>,
    pub(super) totals: Totals,
    /// Jobs with a result, by the time at which it expires.
    results: BTreeSet<(Instant, JobId)>,
}

/// An idempotency key that made a job.
#[derive(Debug)]
pub(super) struct KnownKey {
    pub(super) job: JobId,
    pub(super) body_sha256: [u8; 32],
    pub(super) expires: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TakenBack {
    Requeued,
    Dead,
    Cancelled,
}

impl State {
    pub(super) fn places(&mut self, language: &LanguageName) -> &mut Places {
        self.places.entry(language.clone()).or_default()
    }

    pub(super) fn known(&self, id: JobId, now: Instant) -> Option<&Job> {
        self.jobs.get(&id).filter(|job| !job.is_expired(now))
    }

    pub(super) fn expire_leases(&mut self, now: Instant) {
        for places in self.places.values_mut() {
            let running = std::mem::take(&mut places.running);
            places.running = running.into_iter().map(|(_, id)| (now, id)).collect();
        }
    }

    /// Forgets what has had its time.
    pub(super) fn expire(&mut self, now: Instant) {
        let expired = |job: &Job| job.is_expired(now);
        for job in self.jobs.values().filter(|job| expired(job)) {
            if let Some(End {
                result: Some(json),
                expires,
                ..
            }) = &job.end
            {
                self.totals.result_bytes -= json.len() as u64;
                self.results.remove(&(*expires, job.id));
            }
        }
        self.jobs.retain(|_, job| !expired(job));
        self.keys.retain(|_, key| key.expires > now);
    }

    /// Jobs that are in no place they should be in, and places without a job.
    pub(super) fn audit(&mut self) -> Audited {
        let mut placed = HashSet::new();
        for places in self.places.values() {
            placed.extend(places.ids());
        }
        let unfinished = |job: &&Job| !job.status.is_terminal();
        let lost: Vec<_> = self
            .jobs
            .values()
            .filter(unfinished)
            .filter(|job| !placed.contains(&job.id))
            .map(|job| (job.id, job.language.clone(), job.priority))
            .collect();
        let stale: Vec<_> = placed
            .iter()
            .filter(|id| !self.jobs.get(id).is_some_and(|job| unfinished(&job)))
            .copied()
            .collect();
        for (id, language, priority) in &lost {
            if let Some(job) = self.jobs.get_mut(id) {
                job.status = JobStatus::Queued;
            }
            self.places(language).list(*priority).push_front(*id);
        }
        for id in &stale {
            self.places.values_mut().for_each(|places| places.take_out(*id));
        }
        Audited {
            requeued: lost.len() as u64,
            dropped: stale.len() as u64,
        }
    }
}

impl Change<'_> {
    /// The one way into a terminal state; `by` is the token under which it was finished.
    pub(super) fn conclude(&mut self, id: JobId, end: TerminalState, by: Option<u64>) {
        let Some(job) = self.state.jobs.get_mut(&id) else {
            return;
        };
        let expires = self.now.steady + self.rules.result_ttl;
        job.status = end.status;
        job.submission = None;
        job.cancel = false;
        job.worker = None;
        let result = end.result.map(String::into_bytes);
        let totals = &mut self.state.totals;
        totals.stored_bytes -= job.bytes;
        if let Some(json) = &result {
            totals.result_bytes += json.len() as u64;
            self.state.results.insert((expires, id));
        }
        let verdict = end.verdict.as_str().to_owned();
        *totals
            .finished
            .entry((job.language.clone(), verdict))
            .or_default() += 1;
        job.end = Some(End {
            finished: self.now.wall,
            expires,
            result,
            gist: end.gist.map(String::into_bytes),
            error: end.error,
            by,
        });
        let language = job.language.clone();
        self.state.places(&language).take_out(id);
        self.tell(JobEvent::Finished(id));
        self.make_room();
    }

    /// Drops the details of the oldest results until all together are within the bound.
    fn make_room(&mut self) {
        while self.state.totals.result_bytes > self.rules.max_result_bytes
            && let Some((_, oldest)) = self.state.results.pop_first()
        {
            let end = self.state.jobs.get_mut(&oldest).and_then(|job| job.end.as_mut());
            if let Some(json) = end.and_then(|end| end.result.take()) {
                self.state.totals.result_bytes -= json.len() as u64;
            }
        }
    }

    pub(super) fn cancelled(&mut self, id: JobId) {
        let end = TerminalState {
            status: JobStatus::Cancelled,
            verdict: Verdict::Cancelled,
            result: None,
            gist: None,
            error: None,
        };
        self.conclude(id, end, None);
    }

    /// A running job comes back ungraded: cancelled where that was asked for, else to the queue after a backoff, or dead
    /// where it has no attempts left.
    pub(super) fn take_back(&mut self, id: JobId, reason: &str) -> Option<TakenBack> {
        let job = self.state.jobs.get_mut(&id)?;
        let (language, attempts) = (job.language.clone(), job.attempts);
        if job.cancel {
            self.cancelled(id);
            return Some(TakenBack::Cancelled);
        }
        if attempts >= self.rules.max_attempts {
            let error = format!("{reason}; given up after {}", counted(attempts, "attempt"));
            self.conclude(id, TerminalState::failed(error), None);
            let most = self.rules.max_dead_jobs;
            self.state.places(&language).add_dead(id, most);
            return Some(TakenBack::Dead);
        }
        job.status = JobStatus::Queued;
        job.worker = None;
        let doubled = 1 << attempts.saturating_sub(1).min(16);
        let until = self.now.steady + self.rules.retry_backoff.saturating_mul(doubled);
        let places = self.state.places(&language);
        places.take_out(id);
        places.delay(id, until);
        *self.state.totals.requeued.entry(language.clone()).or_default() += 1;
        self.tell_given_back(id);
        // A waiter that sleeps without a time to wake at would miss the end of the backoff.
        self.tell_work(&language);
        Some(TakenBack::Requeued)
    }

    /// Puts a job at the head of its list.
    pub(super) fn put_first(&mut self, id: JobId) {
        let Some(job) = self.state.jobs.get(&id) else {
            return;
        };
        let (language, priority): (_, Priority) = (job.language.clone(), job.priority);
        let places = self.state.places(&language);
        places.take_out(id);
        places.list(priority).push_front(id);
    }
}
