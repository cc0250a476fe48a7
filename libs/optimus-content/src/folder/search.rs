//! Looking for content that makes room.

use std::{
    collections::{HashSet, VecDeque},
    io,
    time::{Duration, Instant, SystemTime},
};

use optimus_common::content::Digest;

use super::OpenFolder;
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
    fn next(&mut self, held: &HashSet<Digest>, rules: &Rules, now: SystemTime) -> Option<Kept> {
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

    fn look(&mut self, inner: &OpenFolder, held: &HashSet<Digest>) -> io::Result<()> {
        let began = Instant::now();
        let mut entries = inner.disk.entries()?;
        inner.note(&entries);
        entries.retain(|entry| !held.contains(&entry.digest));
        entries.sort_unstable_by_key(|entry| entry.used);
        entries.truncate(REMEMBERED);
        self.candidates = entries.into();
        self.look_took = began.elapsed();
        Ok(())
    }

    fn may_look(&self) -> bool {
        self.not_before.is_none_or(|moment| Instant::now() >= moment)
    }

    /// Removes what may go until `is_enough`.
    pub(super) fn make_room(&mut self, inner: &OpenFolder, is_enough: impl Fn() -> bool) -> io::Result<()> {
        // Before the holds are read, so that whoever holds something later is seen to have used it.
        let now = SystemTime::now();
        if !self.may_look() && self.next_is_too_young(&inner.rules, now) {
            return Ok(());
        }
        let held = inner.look_at_holds()?;
        // Of what is remembered, something may be left that was used meanwhile.
        let mut may_look = self.may_look();
        while !is_enough() {
            if let Some(entry) = self.next(&held, &inner.rules, now) {
                if inner.disk.remove_unused(&entry)? {
                    inner.room.removed(entry.bytes);
                    may_look = true;
                }
            } else if may_look {
                self.look(inner, &held)?;
                // Again only after this look has led to something.
                may_look = false;
            } else {
                self.not_before = Some(Instant::now() + REST.max(SPARING * self.look_took));
                break;
            }
        }
        Ok(())
    }

    /// Also where there is none.
    fn next_is_too_young(&self, rules: &Rules, now: SystemTime) -> bool {
        self.candidates.front().is_none_or(|entry| {
            let unused = now.duration_since(entry.used).unwrap_or_default();
            unused < rules.min_kept.min(rules.retention)
        })
    }
}
