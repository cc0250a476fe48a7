//! Following one job: from what a store keeps of its progress to what a client hears.
//!
//! The first update of a job and its last are not kept: that it was queued and that it ended follows from the job itself, so
//! they are neither lost nor wrong. Numbers of what is kept start at 2.

use std::{collections::VecDeque, time::Duration};

use async_trait::async_trait;
use futures_util::stream;
use optimus_common::{JobId, job::JobStatus};
use optimus_service::Backoff;
use tokio::time::timeout;

use crate::{Followed, JobUpdate, JobUpdates, Progress, StoreError, watchers::Watch};

/// The number of the update that says that a job was queued.
pub(crate) const QUEUED: u64 = 1;

/// The number of an end where nobody knows any more how much was told before it: above all others, so that a client that has it
/// has been told of the end, and one that has another number has not. A whole number in JavaScript, too.
const END_OF_UNKNOWN: u64 = (1 << 53) - 1;

/// How long a follower waits before it looks without having been told of anything, since what tells it may get lost: longer
/// and longer while there is nothing new, so that those who follow a job that waits for hours cost the store little.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(8);

/// Updates that are read at once: what a follower holds while its client does not take them.
pub(crate) const PAGE: usize = 256;

/// What a store keeps of the progress of its jobs.
#[async_trait]
pub(crate) trait ProgressReader: Send + Sync + 'static {
    /// `None` where the job is unknown or expired. The status is no younger than the progress.
    async fn read(&self, job: JobId, after: u64) -> Result<Option<Read>, StoreError>;

    /// Says to whoever works on the job that it is followed, where that makes a difference. It may get lost.
    async fn announce(&self, _job: JobId) {}
}

#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) status: JobStatus,
    /// What is kept after that number, with its own numbers: the first [`PAGE`] of it. `None` for what a newer release tells.
    pub(crate) progress: Vec<(u64, Option<Progress>)>,
    /// The highest number given out, at least [`QUEUED`]. `None` where something may have been told, and nobody knows how much.
    pub(crate) last: Option<u64>,
}

/// `None` where the job is unknown or expired.
pub(crate) async fn follow(
    reader: impl ProgressReader,
    watch: Watch,
    job: JobId,
    after: u64,
) -> Result<Option<JobUpdates>, StoreError> {
    let Some(first) = reader.read(job, after).await? else {
        return Ok(None);
    };
    let mut position = Position {
        after,
        is_over: false,
        ready: VecDeque::new(),
    };
    position.take(first);
    let has_heard_all = position.is_over && position.ready.is_empty();
    if !position.is_over {
        reader.announce(job).await;
    }
    let follower = Follower {
        reader,
        watch,
        job,
        position,
        waits: Backoff::new(SHORTEST_WAIT, LONGEST_WAIT),
    };
    let updates = stream::unfold(follower, async |mut follower| {
        let next = follower.next().await?;
        Some((next, follower))
    });
    Ok(Some(JobUpdates::new(updates, has_heard_all)))
}

struct Follower<R> {
    reader: R,
    watch: Watch,
    job: JobId,
    position: Position,
    waits: Backoff,
}

impl<R: ProgressReader> Follower<R> {
    async fn next(&mut self) -> Option<Result<Followed, StoreError>> {
        loop {
            if let Some(next) = self.position.ready.pop_front() {
                return Some(Ok(next));
            }
            if self.position.is_over {
                return None;
            }
            let mut changed = std::pin::pin!(self.watch.changed());
            // From here on nothing is missed, not even what comes while the store is asked.
            changed.as_mut().enable();
            match self.reader.read(self.job, self.position.after).await {
                Ok(Some(read)) => self.position.take(read),
                Ok(None) => return None,
                Err(error) => {
                    self.position.is_over = true;
                    return Some(Err(error));
                }
            }
            if !self.position.ready.is_empty() {
                self.waits.reset();
            } else if !self.position.is_over {
                // Nothing came within the time: as good a reason to look again as the other.
                if timeout(self.waits.next_delay(), changed).await.is_err() {
                    self.reader.announce(self.job).await;
                }
            }
        }
    }
}

/// How far a client has been told.
#[derive(Debug)]
struct Position {
    /// The number of the last update it has.
    after: u64,
    is_over: bool,
    ready: VecDeque<Followed>,
}

impl Position {
    fn take(&mut self, read: Read) {
        let (status, has_ended) = (read.status, read.status.is_terminal());
        if has_ended && (self.after == END_OF_UNKNOWN || read.last.is_some_and(|last| self.after == last + 1))
        {
            self.is_over = true;
            return;
        }
        if read.last.is_some_and(|last| self.after > last) {
            // No update had this number yet: what it was told before is gone, and given out anew.
            self.ready.push_back(Followed::Missed);
            self.after = QUEUED;
            return;
        }
        if self.after == 0 {
            self.tell(QUEUED, JobUpdate::Queued);
        }
        if has_ended && read.progress.is_empty() && read.last != Some(self.after) {
            // Nothing that was told after that is kept any more.
            self.ready.push_back(Followed::Missed);
            self.after = read.last.unwrap_or(END_OF_UNKNOWN - 1);
        }
        for (number, progress) in read.progress {
            if number > self.after + 1 {
                self.ready.push_back(Followed::Missed);
            }
            if let Some(progress) = progress {
                self.tell(number, JobUpdate::Progress(progress));
            } else {
                self.ready.push_back(Followed::Missed);
                self.after = number;
            }
        }
        if has_ended && self.after == read.last.unwrap_or(END_OF_UNKNOWN - 1) {
            self.tell(self.after + 1, JobUpdate::Ended { status });
            self.is_over = true;
        }
    }

    fn tell(&mut self, number: u64, update: JobUpdate) {
        self.ready.push_back(Followed::Update { number, update });
        self.after = number;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(after: u64, reads: Vec<Read>) -> (Vec<Option<u64>>, bool) {
        let mut position = Position {
            after,
            is_over: false,
            ready: VecDeque::new(),
        };
        for read in reads {
            position.take(read);
        }
        let numbers = position.ready.iter().map(|followed| match followed {
            Followed::Update { number, .. } => Some(*number),
            Followed::Missed => None,
        });
        (numbers.collect(), position.is_over)
    }

    fn read(status: JobStatus, numbers: std::ops::Range<u64>, last: u64) -> Read {
        let progress = |number| (number, Some(Progress::Started { attempt: 1 }));
        Read {
            status,
            progress: numbers.map(progress).collect(),
            last: Some(last),
        }
    }

    /// Of a job whose progress is forgotten.
    fn forgotten(status: JobStatus) -> Read {
        Read {
            status,
            progress: Vec::new(),
            last: None,
        }
    }

    const RUNNING: JobStatus = JobStatus::Running;
    const DONE: JobStatus = JobStatus::Completed;

    #[test]
    fn a_job_is_queued_first_and_ends_last() {
        let all = vec![
            read(RUNNING, 0..0, 1),
            read(RUNNING, 2..4, 3),
            read(DONE, 4..6, 5),
        ];
        assert_eq!(told(0, all), ((1..=6).map(Some).collect(), true));
        assert_eq!(told(0, vec![read(DONE, 0..0, 1)]), (vec![Some(1), Some(2)], true));
    }

    #[test]
    fn it_goes_on_after_a_number() {
        assert_eq!(
            told(3, vec![read(DONE, 4..6, 5)]),
            (vec![Some(4), Some(5), Some(6)], true)
        );
        assert_eq!(told(5, vec![read(DONE, 0..0, 5)]), (vec![Some(6)], true));
        assert_eq!(told(6, vec![read(DONE, 0..0, 5)]), (vec![], true), "all was told");
    }

    #[test]
    fn what_was_dropped_is_missed() {
        let first = read(RUNNING, 10..12, 11);
        assert_eq!(
            told(0, vec![first]),
            (vec![Some(1), None, Some(10), Some(11)], false)
        );
        assert_eq!(
            told(9, vec![read(RUNNING, 10..12, 11)]),
            (vec![Some(10), Some(11)], false)
        );
    }

    #[test]
    fn a_log_that_starts_anew_is_followed_from_its_start() {
        let anew = vec![read(RUNNING, 0..0, 3), read(RUNNING, 2..4, 3)];
        assert_eq!(told(40, anew), (vec![None, Some(2), Some(3)], false));
    }

    #[test]
    fn what_cannot_be_read_is_missed_and_holds_up_nothing() {
        let mut unread = read(DONE, 2..5, 4);
        for (number, progress) in &mut unread.progress {
            if *number != 3 {
                *progress = None;
            }
        }
        assert_eq!(told(1, vec![unread]), (vec![None, Some(3), None, Some(5)], true));
    }

    #[test]
    fn an_end_is_told_where_what_was_before_it_is_gone() {
        // Its number is known still.
        assert_eq!(
            told(0, vec![read(DONE, 0..0, 5)]),
            (vec![Some(1), None, Some(6)], true)
        );
        assert_eq!(told(2, vec![read(DONE, 0..0, 5)]), (vec![None, Some(6)], true));
        let mut rest = vec![read(DONE, 2..4, 5), read(DONE, 0..0, 5)];
        assert_eq!(
            told(1, rest.split_off(0)),
            (vec![Some(2), Some(3), None, Some(6)], true)
        );
        // Its number is no longer known, so nobody is taken for one who has it.
        for after in 1..10 {
            assert_eq!(
                told(after, vec![forgotten(DONE)]),
                (vec![None, Some(END_OF_UNKNOWN)], true)
            );
        }
        let all = (vec![Some(1), None, Some(END_OF_UNKNOWN)], true);
        assert_eq!(told(0, vec![forgotten(DONE)]), all);
        assert_eq!(
            told(END_OF_UNKNOWN, vec![forgotten(DONE)]),
            (vec![], true),
            "all was told"
        );
    }

    #[test]
    fn a_waiting_job_whose_progress_is_forgotten_goes_on() {
        let far = 1 << 20;
        let anew = || vec![forgotten(RUNNING), read(RUNNING, far..far + 1, far)];
        assert_eq!(told(0, anew()), (vec![Some(1), None, Some(far)], false));
        assert_eq!(told(7, anew()), (vec![None, Some(far)], false));
    }

    #[test]
    fn an_end_waits_for_what_is_before_it() {
        let parts = vec![read(DONE, 2..4, 5), read(DONE, 4..6, 5)];
        assert_eq!(told(1, parts), ((2..=6).map(Some).collect(), true));
    }
}
