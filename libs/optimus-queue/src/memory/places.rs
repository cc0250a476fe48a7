//! Where the jobs of one language are.

use std::collections::{BTreeSet, VecDeque};

use optimus_common::{JobId, LanguageName, job::Priority};
use tokio::time::Instant;

use crate::QueueDepth;

#[derive(Debug, Default)]
pub(super) struct Places {
    /// In the order of [`Priority::ALL`].
    waiting: [VecDeque<JobId>; 3],
    /// With the ends of their backoffs.
    delayed: BTreeSet<(Instant, JobId)>,
    /// With the ends of their leases.
    pub(super) running: BTreeSet<(Instant, JobId)>,
    /// The latest ones that ran out of attempts.
    dead: VecDeque<JobId>,
}

impl Places {
    pub(super) fn list(&mut self, priority: Priority) -> &mut VecDeque<JobId> {
        let [interactive, normal, batch] = &mut self.waiting;
        match priority {
            Priority::Interactive => interactive,
            Priority::Normal => normal,
            Priority::Batch => batch,
        }
    }

    pub(super) fn heads(&self) -> impl Iterator<Item = (Priority, JobId)> {
        let heads = Priority::ALL.into_iter().zip(&self.waiting);
        heads.filter_map(|(priority, list)| list.front().map(|id| (priority, *id)))
    }

    pub(super) fn delay(&mut self, id: JobId, until: Instant) {
        self.delayed.insert((until, id));
    }

    /// The next one whose backoff is over, the latest first: what comes to the head of a list is before the others.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<JobId> {
        let due: Vec<_> = self
            .delayed
            .iter()
            .take_while(|(until, _)| *until <= now)
            .copied()
            .collect();
        self.delayed.retain(|(until, _)| *until > now);
        due.into_iter().rev().map(|(_, id)| id).collect()
    }

    /// When a job can be claimed; `None` where none waits.
    pub(super) fn due_at(&self, now: Instant) -> Option<Instant> {
        if self.waiting.iter().any(|list| !list.is_empty()) {
            return Some(now);
        }
        self.delayed.first().map(|(until, _)| *until)
    }

    /// Takes a job out of wherever it waits or runs.
    pub(super) fn take_out(&mut self, id: JobId) {
        for list in &mut self.waiting {
            list.retain(|other| *other != id);
        }
        self.delayed.retain(|(_, other)| *other != id);
        self.running.retain(|(_, other)| *other != id);
    }

    /// Everything that waits or runs.
    pub(super) fn ids(&self) -> impl Iterator<Item = JobId> {
        let sets = self.delayed.iter().chain(&self.running).map(|(_, id)| *id);
        self.waiting.iter().flatten().copied().chain(sets)
    }

    pub(super) fn add_dead(&mut self, id: JobId, most: u64) {
        self.dead.push_back(id);
        while self.dead.len() as u64 > most {
            self.dead.pop_front();
        }
    }

    pub(super) fn depth(&self, language: LanguageName) -> QueueDepth {
        let [interactive, normal, batch] = [0, 1, 2].map(|list: usize| self.waiting[list].len() as u64);
        QueueDepth {
            language,
            interactive,
            normal,
            batch,
            delayed: self.delayed.len() as u64,
            running: self.running.len() as u64,
            dead: self.dead.len() as u64,
        }
    }
}
