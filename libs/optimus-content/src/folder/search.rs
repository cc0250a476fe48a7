//! What was found when content was looked for that makes room, and when to look again.

use std::{
    collections::{HashSet, VecDeque},
    time::{Duration, Instant, SystemTime},
};

use optimus_common::content::Digest;

use crate::{Rules, removal::Entry as Kept};

/// From a look at every file that did not find enough to the next one, at least, and how many times longer than it took.
const REST: Duration = Duration::from_secs(1);
const SPARING: u32 = 10;

/// How much of one look is remembered, so that few uploads need another one.
const REMEMBERED: usize = 1 << 16;

/// What is known of the files from earlier looks.
#[derive(Debug, Default)]
pub(super) struct Search {
    /// What nobody held, in the order in which it was used. Whether it was used since is seen when it is removed.
    candidates: VecDeque<Kept>,
    look_took: Duration,
    not_before: Option<Instant>,
}

impl Search {
    /// The next that may go of those which are known.
    pub(super) fn next(&mut self, held: &HashSet<Digest>, rules: &Rules, now: SystemTime) -> Option<Kept> {
        loop {
            let entry = self.candidates.front()?;
            // A clock that was put back makes nothing old.
            let unused = now.duration_since(entry.used).unwrap_or_default();
            if unused < rules.min_kept.min(rules.retention) {
                return None;
            }
            let entry = self.candidates.pop_front()?;
            if !held.contains(&entry.digest) {
                return Some(entry);
            }
        }
    }

    /// What a look has found that began then.
    pub(super) fn remember(&mut self, mut entries: Vec<Kept>, held: &HashSet<Digest>, began: Instant) {
        entries.retain(|entry| !held.contains(&entry.digest));
        entries.sort_unstable_by_key(|entry| entry.used);
        entries.truncate(REMEMBERED);
        self.candidates = entries.into();
        self.look_took = began.elapsed();
    }

    /// The last look did not find enough: lets some time pass before the next one.
    pub(super) fn rest(&mut self) {
        self.not_before = Some(Instant::now() + REST.max(SPARING * self.look_took));
    }

    pub(super) fn may_look(&self) -> bool {
        self.not_before.is_none_or(|moment| Instant::now() >= moment)
    }

    /// Whether the next one was used too lately to go, or none is known.
    pub(super) fn next_is_too_young(&self, rules: &Rules, now: SystemTime) -> bool {
        self.candidates.front().is_none_or(|entry| {
            let unused = now.duration_since(entry.used).unwrap_or_default();
            unused < rules.min_kept.min(rules.retention)
        })
    }
}
