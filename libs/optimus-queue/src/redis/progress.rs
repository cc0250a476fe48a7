//! Progress of jobs: a bounded stream for each job, written in the background.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use futures_util::future::join_all;
use optimus_common::{JobId, causes, job::JobStatus};
use optimus_service::supervise::supervise;
use redis::{Cmd, Script};
use tokio::{
    sync::{
        mpsc::{self, Receiver, Sender},
        oneshot,
    },
    task::JoinHandle,
};

use super::{
    arguments::millis,
    connection::{Connections, unavailable},
    keys::Keys,
    record::{STATUS_FIELDS, decode_status},
    replicas::ReplicaPolicy,
    scripts::Call,
};
use crate::{
    KEPT_UPDATES, Progress, StoreError,
    follow::{PAGE, ProgressReader, QUEUED, Read},
};

/// Updates that may wait for the server. What comes on top is lost.
const BACKLOG: usize = 4096;

/// Updates that are written together.
const BATCH: usize = 512;

/// How long the stream of a job that is not over is kept after the last that was added to it.
const KEPT_FOR: Duration = Duration::from_hours(1);

/// Jobs of which it is remembered that something of them was lost.
const LOST_JOBS: usize = 4096;

/// An entry that stands for what was lost before it. Whoever reads it finds no progress in it.
const LOST: &str = r#"{"progress":"lost"}"#;

/// The field of an entry.
const JSON: &str = "json";

/// Writes what is published, one batch after the other.
#[derive(Debug)]
pub(super) struct Publisher {
    queue: Sender<Waiting>,
    lost: Arc<Lost>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
enum Waiting {
    Progress(JobId, Progress),
    /// Told when all that came before it is written or lost.
    Flush(JobId, oneshot::Sender<()>),
}

/// Jobs of which something was lost, and those who follow them were not told.
#[derive(Debug, Default)]
struct Lost(Mutex<HashSet<JobId>>);

impl Lost {
    fn add(&self, job: JobId) {
        let mut jobs = self.jobs();
        // A job that another worker has ended meanwhile is never asked for again.
        if jobs.len() >= LOST_JOBS
            && let Some(any) = jobs.iter().next().copied()
        {
            jobs.remove(&any);
        }
        jobs.insert(job);
    }

    fn take(&self, job: JobId) -> bool {
        self.jobs().remove(&job)
    }

    fn has(&self, job: JobId) -> bool {
        self.jobs().contains(&job)
    }

    fn jobs(&self) -> MutexGuard<'_, HashSet<JobId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Publisher {
    pub(super) fn start(connections: Arc<Connections>, keys: Keys) -> Self {
        let (queue, waiting) = mpsc::channel(BACKLOG);
        let lost = Arc::<Lost>::default();
        let writer = Arc::new(Writer {
            connections,
            keys,
            script: Script::new(include_str!("lua/publish.lua")),
            lost: lost.clone(),
            waiting: tokio::sync::Mutex::new(waiting),
        });
        let task = tokio::spawn(supervise("writing the progress of jobs", move || {
            let writer = writer.clone();
            async move { writer.run().await }
        }));
        Self { queue, lost, task }
    }

    pub(super) fn publish(&self, job: JobId, progress: Progress) {
        if self.queue.try_send(Waiting::Progress(job, progress)).is_err() {
            self.lost.add(job);
            tracing::debug!(job_id = %job, "too much progress is on its way: some is lost");
        }
    }

    pub(super) async fn flush(&self, job: JobId) {
        let (told, written) = oneshot::channel();
        if self.queue.send(Waiting::Flush(job, told)).await.is_ok() {
            // Not told where the writer broke: then what it had in hand is lost.
            let _ = written.await;
        }
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Writer {
    connections: Arc<Connections>,
    keys: Keys,
    script: Script,
    lost: Arc<Lost>,
    waiting: tokio::sync::Mutex<Receiver<Waiting>>,
}

impl Writer {
    async fn run(&self) {
        let mut waiting = self.waiting.lock().await;
        let mut batch = Vec::with_capacity(BATCH);
        while waiting.recv_many(&mut batch, BATCH).await > 0 {
            let mut by_job: BTreeMap<JobId, Vec<String>> = BTreeMap::new();
            let mut flushes = Vec::new();
            for waiting in batch.drain(..) {
                match waiting {
                    // What was made of our own types can be written.
                    Waiting::Progress(job, progress) => {
                        by_job
                            .entry(job)
                            .or_default()
                            .extend(serde_json::to_string(&progress));
                    }
                    Waiting::Flush(job, told) => {
                        if self.lost.has(job) {
                            by_job.entry(job).or_default();
                        }
                        flushes.push(told);
                    }
                }
            }
            join_all(by_job.into_iter().map(|(job, entries)| self.write(job, entries))).await;
            for told in flushes {
                // Nobody may wait any longer.
                let _ = told.send(());
            }
        }
    }

    async fn write(&self, job: JobId, entries: Vec<String>) {
        let mut call = Call::new(&self.script, &[self.keys.progress(job), self.keys.job(job)])
            .arg(KEPT_UPDATES)
            .arg(millis(KEPT_FOR));
        if self.lost.take(job) {
            call = call.arg(LOST);
        }
        for entry in entries {
            call = call.arg(entry);
        }
        if let Err(error) = call.run::<u64>(&mut self.connections.bulk()).await {
            self.lost.add(job);
            tracing::debug!(job_id = %job, error = causes(&error), "progress of a job is lost");
        }
    }
}

/// Reads the stream of a job.
pub(super) struct StreamReader {
    pub(super) connections: Arc<Connections>,
    pub(super) keys: Keys,
    pub(super) replicas: ReplicaPolicy,
}

impl StreamReader {
    /// An end is told of only when no failover can take it back.
    async fn confirm(&self, job: JobId) -> Result<Option<JobStatus>, StoreError> {
        let (mut connection, barrier) = (self.connections.bulk(), self.keys.barrier());
        let confirmed = self
            .replicas
            .read(&mut connection, self.ask_status(job), &barrier)
            .await?;
        decode_status(job, confirmed)
    }

    fn ask_status(&self, job: JobId) -> Cmd {
        let mut ask = redis::cmd("HMGET");
        ask.arg(self.keys.job(job)).arg(&STATUS_FIELDS);
        ask
    }
}

#[async_trait]
impl ProgressReader for StreamReader {
    async fn read(&self, job: JobId, after: u64) -> Result<Option<Read>, StoreError> {
        let stream = self.keys.progress(job);
        let mut reading = redis::pipe();
        reading
            .atomic()
            .add_command(self.ask_status(job))
            .cmd("XRANGE")
            .arg(&stream)
            .arg(format!("({after}-0"))
            .arg(&["+", "COUNT"])
            .arg(PAGE)
            .cmd("XREVRANGE")
            .arg(&stream)
            .arg(&["+", "-", "COUNT", "1"]);
        let (status, entries, newest): ([Option<Vec<u8>>; 2], Vec<Entry>, Vec<Entry>) = reading
            .query_async(&mut self.connections.control())
            .await
            .map_err(unavailable)?;
        let mut status = decode_status(job, status)?;
        if status.is_some_and(JobStatus::is_terminal) && self.replicas.is_required() {
            status = self.confirm(job).await?;
        }
        let Some(status) = status else {
            return Ok(None);
        };
        let progress = entries.into_iter().filter_map(|(id, fields)| {
            // One that cannot be read stands for what was lost, or is of a release that tells other things.
            let progress = fields
                .get(JSON)
                .and_then(|json| serde_json::from_slice(json).ok());
            Some((number(&id)?, progress))
        });
        Ok(Some(Read {
            status,
            progress: progress.collect(),
            last: newest.first().and_then(|(id, _)| number(id)).unwrap_or(QUEUED),
        }))
    }
}

/// Its id and its fields.
type Entry = (String, HashMap<String, Vec<u8>>);

fn number(id: &str) -> Option<u64> {
    id.split_once('-')?.0.parse().ok()
}
