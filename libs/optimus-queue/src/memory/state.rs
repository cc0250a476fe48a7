//! All jobs, and what becomes of them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use optimus_common::{JobId, LanguageName, Owner, job::JobStatus};
use tokio::time::Instant;

use super::{
    job::{End, Job},
    places::Places,
};
use crate::{Audited, Totals};

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) jobs: HashMap<JobId, Job>,
    pub(super) places: BTreeMap<LanguageName, Places>,
    pub(super) keys: HashMap<(Owner, String), KnownKey>,
    pub(super) totals: Totals,
    /// Jobs with a result, by the time at which it expires.
    pub(super) results: BTreeSet<(Instant, JobId)>,
}

/// An idempotency key that made a job.
#[derive(Debug)]
pub(super) struct KnownKey {
    pub(super) job: JobId,
    pub(super) body_sha256: [u8; 32],
    pub(super) expires: Instant,
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
