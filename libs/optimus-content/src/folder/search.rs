//! Looking for content that makes room.

use std::{
    collections::{HashMap, HashSet, VecDeque, hash_map::Entry},
    io,
    time::{Duration, Instant, SystemTime},
};

use optimus_common::{JobId, content::Digest};

use super::{Inner, disk::Disk};
use crate::{Rules, removal::Entry as Kept};

/// From a look at every file that found nothing to the next one, at least.
const REST: Duration = Duration::from_secs(1);

/// How many times longer than it takes no such look is taken again.
const SPARING: u32 = 10;

/// How much of one look is remembered, so that not each upload needs another one.
const REMEMBERED: usize = 4096;

/// What is known of the files from earlier looks.
#[derive(Debug, Default)]
pub(super) struct Search {
    /// What nobody held, in the order in which it was used. Whether it was used since is seen when it is removed.
    candidates: VecDeque<Kept>,
    not_before: Option<Instant>,
    holds: HashMap<JobId, Vec<Digest>>,
}

impl Search {
    /// All that is held. What a job holds never changes, so that each hold is read once.
    fn held(&mut self, disk: &Disk) -> io::Result<HashSet<Digest>> {
        let jobs: HashSet<_> = disk.holders()?.into_iter().collect();
        self.holds.retain(|job, _| jobs.contains(job));
        for job in jobs {
            if let Entry::Vacant(unread) = self.holds.entry(job) {
                unread.insert(disk.held_by(job)?);
            }
        }
        Ok(self.holds.values().flatten().copied().collect())
    }

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

    fn look(&mut self, inner: &Inner, held: &HashSet<Digest>) -> io::Result<()> {
        let began = Instant::now();
        let mut entries = inner.disk.entries()?;
        inner.room.set_kept(entries.iter().map(|entry| entry.bytes).sum());
        entries.retain(|entry| !held.contains(&entry.digest));
        entries.sort_unstable_by_key(|entry| entry.used);
        entries.truncate(REMEMBERED);
        self.candidates = entries.into();
        self.not_before = Some(Instant::now() + SPARING * began.elapsed());
        Ok(())
    }

    fn may_look(&self) -> bool {
        self.not_before.is_none_or(|moment| Instant::now() >= moment)
    }

    /// Removes what may go until `is_enough`.
    pub(super) fn make_room(&mut self, inner: &Inner, is_enough: impl Fn() -> bool) -> io::Result<()> {
        // Before the holds are read, so that whoever holds something later is seen to have used it.
        let now = SystemTime::now();
        if !self.may_look() && self.next_is_too_young(&inner.rules, now) {
            return Ok(());
        }
        let held = self.held(&inner.disk)?;
        let mut removed = false;
        while !is_enough() {
            if let Some(entry) = self.next(&held, &inner.rules, now) {
                if inner.disk.remove_unused(&entry)? {
                    inner.room.removed(entry.bytes);
                    removed = true;
                }
                continue;
            }
            if !self.may_look() {
                break;
            }
            self.look(inner, &held)?;
            if self.next_is_too_young(&inner.rules, now) {
                break;
            }
        }
        if !removed && !is_enough() {
            let rest = Instant::now() + REST;
            self.not_before = Some(self.not_before.map_or(rest, |moment| moment.max(rest)));
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
