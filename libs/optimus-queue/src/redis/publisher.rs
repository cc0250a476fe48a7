//! What this process tells of the jobs it works on.
//!
//! Most jobs are followed by nobody, and what is told of them costs the server next to nothing: it stays here, and goes along with
//! the command that ends the attempt. What is told of a job that somebody follows is written as it comes.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::join_all;
use optimus_common::{FencingToken, JobId, causes};
use optimus_service::{Backoff, supervise::supervise};
use redis::{RedisError, Script};
use tokio::{sync::Notify, task::JoinHandle, time};

use super::{
    arguments::millis,
    connection::Connections,
    keys::Keys,
    scripts::{Call, with_progress},
};
use crate::{KEPT_UPDATES, Lease, Progress};

/// How long what was written of a job that is not over is kept after the last that was added to it.
const KEPT_FOR: Duration = Duration::from_hours(1);

/// Jobs of which something is kept here: more than a process works on at once.
const MOST_LOGS: usize = 1024;

/// Jobs that are known to be followed, whoever works on them.
const MOST_FOLLOWED: usize = 4096;

const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Keeps what is told, and writes it when somebody follows the job.
#[derive(Debug)]
pub(super) struct Publisher {
    logs: Arc<UnwrittenLogs>,
    writer: Arc<ProgressWriter>,
    task: JoinHandle<()>,
}

/// What was told, and not written yet.
#[derive(Debug, Default)]
pub(super) struct UnwrittenLogs {
    state: Mutex<Unwritten>,
    /// Notified when something is due.
    due: Notify,
}

#[derive(Debug, Default)]
struct Unwritten {
    by_job: HashMap<JobId, UnwrittenLog>,
    /// In the order in which they began; also some that are gone.
    order: VecDeque<JobId>,
    followed: LatestFollowed,
    /// Jobs of which something is to be written now.
    due: HashSet<JobId>,
}

/// What was told under one lease.
#[derive(Debug)]
struct UnwrittenLog {
    token: FencingToken,
    /// How many updates were written, or made room.
    gone: u64,
    /// As JSON.
    waiting: VecDeque<String>,
    is_followed: bool,
}

/// The latest jobs that somebody said he follows; who still does says so again.
#[derive(Debug, Default)]
struct LatestFollowed {
    jobs: HashSet<JobId>,
    order: VecDeque<JobId>,
}

/// Updates of one lease that are to be written.
#[derive(Debug)]
pub(super) struct Batch {
    token: FencingToken,
    /// How many there were before the first of these.
    from: u64,
    updates: Vec<String>,
}

impl LatestFollowed {
    fn add(&mut self, job: JobId) {
        if self.jobs.insert(job) {
            self.order.push_back(job);
        }
        if self.order.len() > MOST_FOLLOWED
            && let Some(oldest) = self.order.pop_front()
        {
            self.jobs.remove(&oldest);
        }
    }
}

impl Unwritten {
    /// The log of this lease; `None` where the job has been claimed again since.
    fn log(&mut self, lease: &Lease) -> Option<&mut UnwrittenLog> {
        let is_new = self
            .by_job
            .get(&lease.job)
            .is_none_or(|log| log.token < lease.token);
        if is_new {
            let log = UnwrittenLog {
                token: lease.token,
                gone: 0,
                waiting: VecDeque::new(),
                is_followed: self.followed.jobs.contains(&lease.job),
            };
            if self.by_job.insert(lease.job, log).is_none() {
                self.order.push_back(lease.job);
            }
            while self.order.len() > MOST_LOGS
                && let Some(oldest) = self.order.pop_front()
            {
                self.by_job.remove(&oldest);
            }
        }
        self.known(lease)
    }

    fn known(&mut self, lease: &Lease) -> Option<&mut UnwrittenLog> {
        self.by_job
            .get_mut(&lease.job)
            .filter(|log| log.token == lease.token)
    }
}

impl UnwrittenLog {
    fn batch(&self) -> Batch {
        Batch {
            token: self.token,
            from: self.gone,
            updates: self.waiting.iter().cloned().collect(),
        }
    }
}

impl UnwrittenLogs {
    fn add(&self, lease: &Lease, update: String) {
        let mut state = self.state();
        let Some(log) = state.log(lease) else { return };
        log.waiting.push_back(update);
        if log.waiting.len() > KEPT_UPDATES {
            log.waiting.pop_front();
            log.gone += 1;
        }
        if log.is_followed {
            state.due.insert(lease.job);
            self.due.notify_one();
        }
    }

    /// Somebody follows this job, which may be worked on here.
    pub(super) fn follow(&self, job: JobId) {
        let mut state = self.state();
        state.followed.add(job);
        let Some(log) = state.by_job.get_mut(&job) else {
            return;
        };
        let is_first = !std::mem::replace(&mut log.is_followed, true);
        if is_first && !log.waiting.is_empty() {
            state.due.insert(job);
            self.due.notify_one();
        }
    }

    fn batch(&self, lease: &Lease) -> Option<Batch> {
        self.state().known(lease).map(|log| log.batch())
    }

    fn take_due(&self) -> Vec<(JobId, Batch)> {
        let mut state = self.state();
        let due = std::mem::take(&mut state.due);
        due.into_iter()
            .filter_map(|job| Some((job, state.by_job.get(&job)?.batch())))
            .filter(|(_, batch)| !batch.updates.is_empty())
            .collect()
    }

    fn is_due_again(&self, job: JobId) {
        self.state().due.insert(job);
        self.due.notify_one();
    }

    fn written(&self, job: JobId, batch: &Batch) {
        let mut state = self.state();
        let Some(log) = state.by_job.get_mut(&job) else {
            return;
        };
        let until = batch.from + batch.updates.len() as u64;
        while log.token == batch.token && log.gone < until && log.waiting.pop_front().is_some() {
            log.gone += 1;
        }
    }

    /// The lease is over.
    fn forget(&self, job: JobId, token: FencingToken) {
        let mut state = self.state();
        if state.by_job.get(&job).is_some_and(|log| log.token == token) {
            state.by_job.remove(&job);
            state.order.retain(|other| *other != job);
        }
    }

    fn state(&self) -> MutexGuard<'_, Unwritten> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Batch {
    /// Adds what `progress.lua` goes by.
    pub(super) fn add_to<'a>(&self, call: Call<'a>) -> Call<'a> {
        let call = call.arg(self.from).arg(self.updates.len());
        self.updates.iter().fold(call, Call::arg)
    }

    /// A batch without updates, which is of no lease: what ends a job of which nothing is left to tell.
    pub(super) fn empty() -> Self {
        Self {
            token: FencingToken(0),
            from: 0,
            updates: Vec::new(),
        }
    }
}

impl Publisher {
    pub(super) fn start(connections: Arc<Connections>, keys: Keys, logs: Arc<UnwrittenLogs>) -> Self {
        let writer = Arc::new(ProgressWriter {
            connections,
            keys,
            script: with_progress(include_str!("lua/publish.lua")),
            logs: logs.clone(),
        });
        let writing = writer.clone();
        let task = tokio::spawn(supervise("writing the progress of jobs", move || {
            let writer = writing.clone();
            async move { writer.run().await }
        }));
        Self { logs, writer, task }
    }

    pub(super) fn publish(&self, lease: &Lease, progress: &Progress) {
        // What was made of our own types can be written.
        if let Ok(update) = serde_json::to_string(progress) {
            self.logs.add(lease, update);
        }
    }

    /// What was told under a lease and is not written yet: goes along with the end of the job.
    pub(super) fn left(&self, lease: &Lease) -> Batch {
        self.logs.batch(lease).unwrap_or_else(Batch::empty)
    }

    /// Writes all that was told under a lease, before it is given back.
    pub(super) async fn write_out(&self, lease: &Lease) {
        while let Some(batch) = self.logs.batch(lease).filter(|batch| !batch.updates.is_empty()) {
            if self.writer.write(lease.job, batch).await.is_err() {
                return;
            }
        }
    }

    /// The lease is over.
    pub(super) fn forget(&self, lease: &Lease) {
        self.logs.forget(lease.job, lease.token);
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Debug)]
struct ProgressWriter {
    connections: Arc<Connections>,
    keys: Keys,
    script: Script,
    logs: Arc<UnwrittenLogs>,
}

impl ProgressWriter {
    async fn run(&self) {
        let mut pauses = Backoff::new(SHORTEST_PAUSE, LONGEST_PAUSE);
        loop {
            self.logs.due.notified().await;
            let due = self.logs.take_due();
            let written = join_all(due.into_iter().map(|(job, batch)| self.write(job, batch))).await;
            if written.iter().all(Result::is_ok) {
                pauses.reset();
            } else {
                time::sleep(pauses.next_delay()).await;
            }
        }
    }

    async fn write(&self, job: JobId, batch: Batch) -> Result<(), RedisError> {
        let call = Call::new(&self.script, &[self.keys.progress(job), self.keys.job(job)])
            .arg(batch.token.0)
            .arg(KEPT_UPDATES)
            .arg(millis(KEPT_FOR));
        let answer = batch.add_to(call).run::<bool>(&mut self.connections.bulk()).await;
        match &answer {
            Ok(true) => self.logs.written(job, &batch),
            Ok(false) => self.logs.forget(job, batch.token),
            Err(error) => {
                tracing::debug!(job_id = %job, error = causes(error), "progress of a job has to wait");
                self.logs.is_due_again(job);
            }
        }
        answer.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(token: u64) -> Lease {
        Lease {
            job: JobId::new(),
            language: "python".parse().unwrap(),
            token: FencingToken(token),
        }
    }

    fn due(logs: &UnwrittenLogs) -> Vec<(JobId, u64, usize)> {
        let due = logs.take_due().into_iter();
        due.map(|(job, batch)| (job, batch.from, batch.updates.len()))
            .collect()
    }

    #[test]
    fn nothing_is_due_until_somebody_follows_the_job() {
        let (logs, lease) = (UnwrittenLogs::default(), lease(1));
        for _ in 0..3 {
            logs.add(&lease, "1".to_owned());
        }
        assert_eq!(due(&logs), []);
        logs.follow(lease.job);
        assert_eq!(due(&logs), [(lease.job, 0, 3)]);
        logs.follow(lease.job);
        assert_eq!(due(&logs), [], "it is known already");
        let batch = logs.batch(&lease).unwrap();
        logs.written(lease.job, &batch);
        logs.written(lease.job, &batch);
        logs.add(&lease, "4".to_owned());
        assert_eq!(due(&logs), [(lease.job, 3, 1)]);
    }

    #[test]
    fn a_job_that_is_followed_before_it_is_worked_on_is_followed_then() {
        let (logs, lease) = (UnwrittenLogs::default(), lease(1));
        logs.follow(lease.job);
        logs.add(&lease, "1".to_owned());
        assert_eq!(due(&logs), [(lease.job, 0, 1)]);
    }

    #[test]
    fn the_oldest_updates_make_room_and_are_counted() {
        let (logs, lease) = (UnwrittenLogs::default(), lease(1));
        for _ in 0..KEPT_UPDATES + 7 {
            logs.add(&lease, "1".to_owned());
        }
        let batch = logs.batch(&lease).unwrap();
        assert_eq!((batch.from, batch.updates.len()), (7, KEPT_UPDATES));
    }

    #[test]
    fn each_lease_has_a_log_of_its_own() {
        let (logs, first) = (UnwrittenLogs::default(), lease(1));
        let second = Lease {
            token: FencingToken(2),
            ..first.clone()
        };
        logs.add(&first, "1".to_owned());
        logs.add(&second, "2".to_owned());
        logs.add(&first, "3".to_owned());
        assert!(logs.batch(&first).is_none());
        assert_eq!(logs.batch(&second).unwrap().updates, ["2"]);
        logs.forget(first.job, first.token);
        assert!(logs.batch(&second).is_some());
        logs.forget(second.job, second.token);
        assert!(logs.batch(&second).is_none());
        assert!(logs.state().order.is_empty());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let logs = UnwrittenLogs::default();
        let leases: Vec<_> = (0..=MOST_LOGS).map(|_| lease(1)).collect();
        for lease in &leases {
            logs.add(lease, "1".to_owned());
        }
        assert!(logs.batch(&leases[0]).is_none() && logs.batch(&leases[MOST_LOGS]).is_some());
        assert_eq!(logs.state().by_job.len(), MOST_LOGS);
        for _ in 0..=MOST_FOLLOWED {
            logs.follow(JobId::new());
        }
        let state = logs.state();
        assert_eq!(
            (state.followed.jobs.len(), state.followed.order.len()),
            (MOST_FOLLOWED, MOST_FOLLOWED)
        );
    }
}
