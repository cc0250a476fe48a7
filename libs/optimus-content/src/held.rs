//! What jobs hold, and what that counts for.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use optimus_common::{JobId, content::Digest};

/// What is known here of the holds of a store. Other processes may add to them; each looks anew at every upkeep.
#[derive(Debug, Default)]
pub(crate) struct Held(Mutex<Holds>);

#[derive(Debug, Default)]
struct Holds {
    /// What a job holds never changes.
    by_job: HashMap<JobId, Vec<Digest>>,
    contents: HashMap<Digest, HeldContent>,
    /// What all contents count for, each once.
    bytes: u64,
}

#[derive(Debug, Default)]
struct HeldContent {
    jobs: u64,
    /// What it counts for, where that is known.
    bytes: u64,
}

impl Holds {
    fn add(&mut self, job: JobId, digests: Vec<Digest>) {
        self.end(job);
        for digest in &digests {
            self.contents.entry(*digest).or_default().jobs += 1;
        }
        self.by_job.insert(job, digests);
    }

    fn end(&mut self, job: JobId) {
        for digest in self.by_job.remove(&job).unwrap_or_default() {
            let Some(content) = self.contents.get_mut(&digest) else {
                continue;
            };
            content.jobs -= 1;
            if content.jobs == 0 {
                self.bytes -= content.bytes;
                self.contents.remove(&digest);
            }
        }
    }

    fn measure(&mut self, digest: Digest, bytes: u64) {
        if let Some(content) = self.contents.get_mut(&digest) {
            self.bytes = self.bytes - content.bytes + bytes;
            content.bytes = bytes;
        }
    }
}

/// What each of these counts for by its size, and nothing where it is not there.
pub(crate) fn measured(
    digests: &[Digest],
    sizes: &[Option<u64>],
    charge: fn(u64) -> u64,
) -> Vec<(Digest, u64)> {
    let each = digests.iter().zip(sizes);
    each.map(|(digest, size)| (*digest, size.map_or(0, charge)))
        .collect()
}

impl Held {
    /// Notes what a job holds, with what each counts for, where all that is held is no more than `most` then. What it holds beside
    /// others, or held before, counts nothing more.
    pub(crate) fn add(&self, job: JobId, contents: &[(Digest, u64)], most: u64) -> bool {
        let mut holds = self.holds();
        let is_held = |digest| holds.contents.contains_key(digest);
        let new = contents.iter().filter(|(digest, _)| !is_held(digest));
        let more: u64 = new.map(|(_, bytes)| bytes).sum();
        if more > 0 && holds.bytes.saturating_add(more) > most {
            return false;
        }
        holds.add(job, contents.iter().map(|(digest, _)| *digest).collect());
        for (digest, bytes) in contents {
            holds.measure(*digest, *bytes);
        }
        true
    }

    pub(crate) fn end(&self, job: JobId) {
        self.holds().end(job);
    }

    /// Forgets all other jobs than these, which are all that hold something. Which of them are not known here.
    pub(crate) fn keep(&self, jobs: &HashSet<JobId>) -> Vec<JobId> {
        let mut holds = self.holds();
        let gone = holds.by_job.keys().filter(|job| !jobs.contains(job));
        for job in gone.copied().collect::<Vec<_>>() {
            holds.end(job);
        }
        let is_unknown = |job: &&JobId| !holds.by_job.contains_key(job);
        jobs.iter().filter(is_unknown).copied().collect()
    }

    /// What a job holds of which nothing was known.
    pub(crate) fn learn(&self, job: JobId, digests: Vec<Digest>) {
        self.holds().add(job, digests);
    }

    /// What contents count for, as they were listed.
    pub(crate) fn measure(&self, contents: impl Iterator<Item = (Digest, u64)>) {
        let mut holds = self.holds();
        for (digest, bytes) in contents {
            holds.measure(digest, bytes);
        }
    }

    pub(crate) fn digests(&self) -> HashSet<Digest> {
        self.holds().contents.keys().copied().collect()
    }

    fn holds(&self) -> MutexGuard<'_, Holds> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(number: u8) -> Digest {
        Digest::from([number; 32])
    }

    #[test]
    fn what_several_jobs_hold_counts_once() {
        let held = Held::default();
        let (first, second, third) = (JobId::new(), JobId::new(), JobId::new());
        let (one, other) = ((digest(1), 60), (digest(2), 40));
        assert!(held.add(first, &[one], 100));
        assert!(held.add(first, &[one], 0), "it holds it already");
        assert!(held.add(second, &[one, other], 100));
        assert!(!held.add(third, &[one, (digest(3), 1)], 100));
        held.end(third);
        held.end(first);
        assert!(!held.add(first, &[(digest(3), 1)], 100));
        held.end(second);
        held.end(second);
        assert!(held.add(first, &[(digest(3), 100)], 100));
        assert_eq!(held.digests(), HashSet::from([digest(3)]));
    }

    #[test]
    fn what_others_hold_counts_once_it_was_seen() {
        let held = Held::default();
        let (own, other, gone) = (JobId::new(), JobId::new(), JobId::new());
        for job in [own, gone] {
            assert!(held.add(job, &[(digest(1), 10)], 100));
        }
        assert_eq!(held.keep(&HashSet::from([own, other])), [other]);
        held.learn(other, vec![digest(2), digest(3)]);
        held.measure([(digest(2), 80), (digest(4), 80)].into_iter());
        assert!(!held.add(gone, &[(digest(5), 11)], 100));
        assert!(held.add(gone, &[(digest(5), 10)], 100));
        assert_eq!(held.keep(&HashSet::from([other])), []);
        assert!(held.add(own, &[(digest(6), 20)], 100));
    }
}
