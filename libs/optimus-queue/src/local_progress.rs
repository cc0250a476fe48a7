//! Progress of jobs in this process' memory, for stores that no other process has.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use optimus_common::JobId;

use crate::{
    KEPT_UPDATES, Progress,
    follow::{PAGE, QUEUED},
    watchers::Watchers,
};

/// Jobs whose progress is kept, and updates of all of them: of the latest jobs that anything was told of.
const KEPT_JOBS: usize = 1024;
const KEPT_IN_ALL: usize = 64 << 10;

/// What was told of each job, bounded.
#[derive(Debug, Default)]
pub(crate) struct LocalProgress {
    logs: Mutex<Logs>,
    pub(crate) watchers: Arc<Watchers>,
}

#[derive(Debug, Default)]
struct Logs {
    by_job: HashMap<JobId, Log>,
    /// In the order in which they began.
    order: VecDeque<JobId>,
    /// Updates of all of them.
    kept: usize,
}

#[derive(Debug, Default)]
struct Log {
    /// How many made room.
    dropped: u64,
    kept: VecDeque<Progress>,
    /// The job is over: what comes too late is not told, since its end has the next number.
    is_over: bool,
}

impl Log {
    fn last(&self) -> u64 {
        QUEUED + self.dropped + self.kept.len() as u64
    }
}

impl Logs {
    fn add(&mut self, job: JobId, progress: Progress) {
        if !self.by_job.contains_key(&job) {
            self.order.push_back(job);
        }
        let log = self.by_job.entry(job).or_default();
        if log.is_over {
            return;
        }
        log.kept.push_back(progress);
        if log.kept.len() > KEPT_UPDATES {
            log.kept.pop_front();
            log.dropped += 1;
        } else {
            self.kept += 1;
        }
        // One log alone is below either bound.
        while self.order.len() > KEPT_JOBS || self.kept > KEPT_IN_ALL {
            let oldest = self.order.pop_front();
            let Some(log) = oldest.and_then(|oldest| self.by_job.remove(&oldest)) else {
                return;
            };
            self.kept -= log.kept.len();
        }
    }
}

impl LocalProgress {
    pub(crate) fn publish(&self, job: JobId, progress: Progress) {
        let mut logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        logs.add(job, progress);
        drop(logs);
        self.watchers.wake(job);
    }

    /// The job is over.
    pub(crate) fn end(&self, job: JobId) {
        let mut logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(log) = logs.by_job.get_mut(&job) {
            log.is_over = true;
        }
        drop(logs);
        self.watchers.wake(job);
    }

    /// The first of what is kept after this number, and the highest number given out.
    pub(crate) fn read(&self, job: JobId, after: u64) -> (Vec<(u64, Option<Progress>)>, u64) {
        let logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(log) = logs.by_job.get(&job) else {
            return (Vec::new(), QUEUED);
        };
        let first = QUEUED + log.dropped + 1;
        let skipped = usize::try_from(after.saturating_add(1).saturating_sub(first)).unwrap_or(usize::MAX);
        let numbered = (first..).zip(&log.kept).skip(skipped).take(PAGE);
        let progress = numbered.map(|(number, progress)| (number, Some(progress.clone())));
        (progress.collect(), log.last())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STARTED: Progress = Progress::Started { attempt: 1 };

    #[test]
    fn a_log_keeps_the_latest() {
        let progress = LocalProgress::default();
        let job = JobId::new();
        assert_eq!(progress.read(job, 0), (Vec::new(), 1));
        let told = KEPT_UPDATES as u64 + 10;
        for _ in 0..told {
            progress.publish(job, STARTED);
        }
        let (kept, last) = progress.read(job, 0);
        assert_eq!((kept.len(), kept[0].0, last), (PAGE, 12, told + 1));
        let mut heard = kept;
        while let Some((number, _)) = heard.last().filter(|(number, _)| *number < last) {
            let (more, _) = progress.read(job, *number);
            assert_eq!(more.first().map(|(first, _)| *first), Some(number + 1));
            heard.extend(more);
        }
        assert_eq!(heard.len(), KEPT_UPDATES);
        assert_eq!(progress.read(job, last - 1).0, [(last, Some(STARTED))]);
        assert_eq!(progress.read(job, last).0, []);
        assert_eq!(progress.read(job, u64::MAX).0, []);
    }

    #[test]
    fn the_oldest_logs_make_room() {
        let progress = LocalProgress::default();
        let jobs: Vec<_> = (0..=KEPT_JOBS).map(|_| JobId::new()).collect();
        for job in &jobs {
            progress.publish(*job, STARTED);
        }
        assert_eq!(progress.read(jobs[0], 0), (Vec::new(), 1));
        for job in &jobs[1..] {
            assert_eq!(progress.read(*job, 0).1, 2);
        }
    }

    #[test]
    fn all_logs_together_are_bounded() {
        let progress = LocalProgress::default();
        let jobs: Vec<_> = (0..2 * KEPT_IN_ALL / KEPT_UPDATES)
            .map(|_| JobId::new())
            .collect();
        for job in &jobs {
            (0..=KEPT_UPDATES).for_each(|_| progress.publish(*job, STARTED));
        }
        let logs = progress.logs.lock().unwrap();
        let kept: usize = logs.by_job.values().map(|log| log.kept.len()).sum();
        assert_eq!((kept, logs.kept), (KEPT_IN_ALL, KEPT_IN_ALL));
        assert!(!logs.by_job.contains_key(&jobs[0]) && logs.by_job.contains_key(&jobs[jobs.len() - 1]));
    }
}
