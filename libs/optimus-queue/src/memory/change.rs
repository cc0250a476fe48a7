//! One transition of the store's jobs.

use jiff::Timestamp;
use optimus_common::{
    FencingToken, JobId, LanguageName, counted,
    job::{JobStatus, Priority},
};
use tokio::time::Instant;

use super::{job::End, state::State};
use crate::{
    JobEvent, encoding::TerminalState, notifier::Notification, settings::QueueSettings, taken_back::TakenBack,
};

/// One transition while it is made: time stands still, and what it tells is heard when it is over.
pub(super) struct Change<'a> {
    pub(super) state: &'a mut State,
    pub(super) rules: &'a QueueSettings,
    pub(super) now: TransitionTime,
    told: Vec<Notification>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct TransitionTime {
    /// Leases, delays and expiry are counted on this one. It is Tokio's, so a test can let it stand still.
    pub(super) steady: Instant,
    /// The time that records show.
    pub(super) wall: Timestamp,
}

impl<'a> Change<'a> {
    pub(super) fn begin(state: &'a mut State, rules: &'a QueueSettings) -> Self {
        Self {
            state,
            rules,
            now: TransitionTime {
                steady: Instant::now(),
                wall: Timestamp::now(),
            },
            told: Vec::new(),
        }
    }

    /// What those who wait or follow are to be told of the change.
    pub(super) fn told(self) -> Vec<Notification> {
        self.told
    }

    pub(super) fn tell(&mut self, event: JobEvent) {
        self.told.push(Notification::Event(event));
    }

    pub(super) fn tell_leased(&mut self, job: JobId, token: FencingToken) {
        self.told.push(Notification::Leased(job, token));
    }

    pub(super) fn tell_given_back(&mut self, job: JobId) {
        self.told.push(Notification::GivenBack(job));
    }

    pub(super) fn tell_work(&mut self, language: &LanguageName) {
        self.told.push(Notification::Work(language.to_string()));
    }

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
        self.conclude(id, TerminalState::cancelled(), None);
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
