//! Progress of jobs in this process' memory, for stores that no other process has.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use optimus_common::{FencingToken, JobId, job::JobStatus};

use crate::{
    KEPT_UPDATES, Lease, Progress,
    follow::{PAGE, QUEUED, Read},
    watchers::Watchers,
};

/// Jobs whose progress is kept, and updates of all of them: of the jobs that are not over, and of the latest of the others.
const KEPT_JOBS: usize = 1024;
const KEPT_IN_ALL: usize = 64 << 10;

/// More numbers than are given out under one lease. Where what was told under earlier ones is forgotten, numbers go on above all
/// that they may have had, so that whoever has some of those hears that something is missing.
const NUMBERS_OF_A_LEASE: u64 = 1 << 20;

/// What was told of each job, bounded.
#[derive(Debug, Default)]
pub(crate) struct LocalProgress {
    logs: Mutex<Logs>,
    pub(crate) watchers: Arc<Watchers>,
}

#[derive(Debug, Default)]
struct Logs {
    by_job: HashMap<JobId, Log>,
    /// Those that may make room, in the order in which they began.
    order: VecDeque<JobId>,
    /// Of these, the jobs that are over, which go first; also some that are gone.
    over: VecDeque<JobId>,
    /// Updates of all of them.
    kept: usize,
}

#[derive(Debug, Default)]
struct Log {
    /// Who works on the job; whoever else tells of it is not heard.
    holder: Option<FencingToken>,
    /// How many updates made room.
    dropped: u64,
    kept: VecDeque<Progress>,
    is_in_order: bool,
}

impl Log {
    fn last(&self) -> u64 {
        QUEUED + self.dropped + self.kept.len() as u64
    }
}

impl Logs {
    fn begin(&mut self, job: JobId, token: FencingToken) {
        let log = match self.by_job.entry(job) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert(Log {
                dropped: token.0.saturating_sub(1).saturating_mul(NUMBERS_OF_A_LEASE),
                ..Log::default()
            }),
        };
        log.holder = Some(token);
        self.put_in_order(job);
    }

    fn add(&mut self, lease: &Lease, progress: Progress) {
        let Some(log) = self.by_job.get_mut(&lease.job) else {
            return;
        };
        if log.holder != Some(lease.token) {
            return;
        }
        log.kept.push_back(progress);
        if log.kept.len() > KEPT_UPDATES {
            log.kept.pop_front();
            log.dropped += 1;
        } else {
            self.kept += 1;
        }
        self.put_in_order(lease.job);
    }

    /// Nobody works on the job.
    fn pause(&mut self, job: JobId) {
        let Some(log) = self.by_job.get_mut(&job) else {
            return;
        };
        log.holder = None;
        if !log.is_in_order {
            self.by_job.remove(&job);
        }
    }

    fn put_in_order(&mut self, job: JobId) {
        if let Some(log) = self.by_job.get_mut(&job)
            && !log.is_in_order
        {
            log.is_in_order = true;
            self.order.push_back(job);
        }
        while self.order.len() > KEPT_JOBS || self.kept > KEPT_IN_ALL {
            let Some(first) = self.first_to_go() else {
                return;
            };
            self.make_room_of(first);
        }
    }

    fn first_to_go(&mut self) -> Option<JobId> {
        while let Some(over) = self.over.pop_front() {
            if let Some(place) = self.order.iter().position(|job| *job == over) {
                return self.order.remove(place);
            }
        }
        self.order.pop_front()
    }

    /// The job is over.
    fn end(&mut self, job: JobId) {
        self.pause(job);
        if self.by_job.contains_key(&job) {
            self.over.push_back(job);
        }
    }

    /// Of a job that is worked on, the number of its updates is kept.
    fn make_room_of(&mut self, job: JobId) {
        let Some(log) = self.by_job.get_mut(&job) else {
            return;
        };
        self.kept -= log.kept.len();
        log.dropped += log.kept.len() as u64;
        log.kept = VecDeque::new();
        log.is_in_order = false;
        if log.holder.is_none() {
            self.by_job.remove(&job);
        }
    }
}

impl LocalProgress {
    /// Somebody works on the job now, under this token.
    pub(crate) fn begin(&self, job: JobId, token: FencingToken) {
        self.logs().begin(job, token);
    }

    pub(crate) fn publish(&self, lease: &Lease, progress: Progress) {
        self.logs().add(lease, progress);
        self.watchers.wake(lease.job);
    }

    /// Nobody works on the job any longer, and it is not over.
    pub(crate) fn pause(&self, job: JobId) {
        self.logs().pause(job);
    }

    /// The job is over: what comes too late is not told, since its end has the next number.
    pub(crate) fn end(&self, job: JobId) {
        self.logs().end(job);
        self.watchers.wake(job);
    }

    /// The first of what is kept of a job after this number. `token`: of the last lease there was, also of one whose attempt does
    /// not count.
    pub(crate) fn read(&self, job: JobId, after: u64, status: JobStatus, token: FencingToken) -> Read {
        let logs = self.logs();
        let Some(log) = logs.by_job.get(&job) else {
            return Read {
                status,
                progress: Vec::new(),
                last: (token == FencingToken(0)).then_some(QUEUED),
            };
        };
        let first = QUEUED + log.dropped + 1;
        let skipped = usize::try_from(after.saturating_add(1).saturating_sub(first)).unwrap_or(usize::MAX);
        let numbered = (first..).zip(&log.kept).skip(skipped).take(PAGE);
        let progress = numbered.map(|(number, progress)| (number, Some(progress.clone())));
        Read {
            status,
            progress: progress.collect(),
            last: Some(log.last()),
        }
    }

    fn logs(&self) -> MutexGuard<'_, Logs> {
        self.logs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STARTED: Progress = Progress::Started { attempt: 1 };

    fn lease(job: JobId, token: u64) -> Lease {
        Lease {
            job,
            language: "python".parse().unwrap(),
            token: FencingToken(token),
        }
    }

    /// Of a job that somebody works on.
    fn begun(progress: &LocalProgress) -> Lease {
        let lease = lease(JobId::new(), 1);
        progress.begin(lease.job, lease.token);
        lease
    }

    fn read(progress: &LocalProgress, job: JobId, after: u64) -> (Vec<(u64, Option<Progress>)>, Option<u64>) {
        let read = progress.read(job, after, JobStatus::Running, FencingToken(1));
        (read.progress, read.last)
    }

    #[test]
    fn a_log_keeps_the_latest() {
        let progress = LocalProgress::default();
        let lease = begun(&progress);
        let job = lease.job;
        assert_eq!(read(&progress, job, 0), (Vec::new(), Some(1)));
        let told = KEPT_UPDATES as u64 + 10;
        for _ in 0..told {
            progress.publish(&lease, STARTED);
        }
        let (kept, last) = read(&progress, job, 0);
        let last = last.unwrap();
        assert_eq!((kept.len(), kept[0].0, last), (PAGE, 12, told + 1));
        let mut heard = kept;
        while let Some((number, _)) = heard.last().filter(|(number, _)| *number < last) {
            let (more, _) = read(&progress, job, *number);
            assert_eq!(more.first().map(|(first, _)| *first), Some(number + 1));
            heard.extend(more);
        }
        assert_eq!(heard.len(), KEPT_UPDATES);
        assert_eq!(read(&progress, job, last - 1).0, [(last, Some(STARTED))]);
        assert_eq!(read(&progress, job, last).0, []);
        assert_eq!(read(&progress, job, u64::MAX).0, []);
    }

    #[test]
    fn the_oldest_logs_make_room() {
        let progress = LocalProgress::default();
        let leases: Vec<_> = (0..=KEPT_JOBS).map(|_| begun(&progress)).collect();
        for lease in &leases {
            progress.publish(lease, STARTED);
            progress.end(lease.job);
        }
        assert_eq!(read(&progress, leases[0].job, 0), (Vec::new(), None));
        for lease in &leases[1..] {
            assert_eq!(read(&progress, lease.job, 0).1, Some(2));
        }
        let unclaimed = progress.read(JobId::new(), 0, JobStatus::Queued, FencingToken(0));
        assert_eq!(unclaimed.last, Some(QUEUED), "nothing was told of it");
    }

    #[test]
    fn a_job_that_is_worked_on_goes_on_with_its_numbers() {
        let progress = LocalProgress::default();
        let long = begun(&progress);
        (0..3).for_each(|_| progress.publish(&long, STARTED));
        // They go on, too.
        for _ in 0..=KEPT_JOBS {
            begun(&progress);
        }
        assert_eq!(read(&progress, long.job, 0), (Vec::new(), Some(4)));
        progress.publish(&long, STARTED);
        assert_eq!(read(&progress, long.job, 0), (vec![(5, Some(STARTED))], Some(5)));
    }

    #[test]
    fn jobs_that_are_over_make_room_first() {
        let progress = LocalProgress::default();
        let (long, waiting) = (begun(&progress), begun(&progress));
        for lease in [&long, &waiting] {
            (0..3).for_each(|_| progress.publish(lease, STARTED));
        }
        progress.pause(waiting.job);
        let mut over = Vec::new();
        for _ in 0..3 * KEPT_JOBS {
            let short = begun(&progress);
            progress.publish(&short, STARTED);
            progress.end(short.job);
            over.push(short.job);
        }
        for lease in [&long, &waiting] {
            assert_eq!(read(&progress, lease.job, 0).0.len(), 3);
        }
        let is_kept = |job: &&JobId| read(&progress, **job, 0).1.is_some();
        assert_eq!(over.iter().filter(is_kept).count(), KEPT_JOBS - 2);
        assert!(is_kept(&&over[over.len() - 1]));
        let logs = progress.logs.lock().unwrap();
        assert_eq!((logs.order.len(), logs.by_job.len()), (KEPT_JOBS, KEPT_JOBS));
        assert!(logs.over.len() <= KEPT_JOBS);
    }

    #[test]
    fn a_log_that_was_forgotten_goes_on_above_all_its_numbers() {
        let progress = LocalProgress::default();
        let second = lease(JobId::new(), 2);
        progress.begin(second.job, second.token);
        progress.publish(&second, STARTED);
        let number = 2 + NUMBERS_OF_A_LEASE;
        assert_eq!(
            read(&progress, second.job, 0),
            (vec![(number, Some(STARTED))], Some(number))
        );
    }

    #[test]
    fn only_who_holds_a_job_tells_of_it() {
        let progress = LocalProgress::default();
        let first = begun(&progress);
        progress.publish(&first, STARTED);
        progress.pause(first.job);
        progress.publish(&first, STARTED);
        let second = lease(first.job, 2);
        progress.begin(second.job, second.token);
        progress.publish(&first, STARTED);
        progress.publish(&second, Progress::Started { attempt: 2 });
        progress.end(first.job);
        progress.publish(&second, STARTED);
        let told = [STARTED, Progress::Started { attempt: 2 }].map(Some);
        assert_eq!(
            read(&progress, first.job, 0).0,
            (2..).zip(told).collect::<Vec<_>>()
        );
    }

    #[test]
    fn all_logs_together_are_bounded() {
        let progress = LocalProgress::default();
        let leases: Vec<_> = (0..2 * KEPT_IN_ALL / KEPT_UPDATES)
            .map(|_| begun(&progress))
            .collect();
        for lease in &leases {
            (0..=KEPT_UPDATES).for_each(|_| progress.publish(lease, STARTED));
        }
        let logs = progress.logs.lock().unwrap();
        let kept: usize = logs.by_job.values().map(|log| log.kept.len()).sum();
        assert_eq!((kept, logs.kept), (KEPT_IN_ALL, KEPT_IN_ALL));
        let is_kept = |lease: &Lease| !logs.by_job[&lease.job].kept.is_empty();
        assert!(!is_kept(&leases[0]) && is_kept(&leases[leases.len() - 1]));
    }
}
