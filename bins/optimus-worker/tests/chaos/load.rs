//! Clients without rest: each submits a job with an idempotency key until it is accepted, waits for its end, looks at the
//! result, and goes on to the next one.

use std::{
    collections::{HashMap, HashSet},
    hash::{DefaultHasher, Hash, Hasher},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use optimus_testkit::client::{Answer, Client, Method, StatusCode, is_terminal};
use serde_json::Value;
use tokio::{task::JoinSet, time::sleep};

use crate::jobs::{Job, Mix};

/// Longer than any job takes that is interrupted again and again.
const JOB_TIMEOUT: Duration = Duration::from_mins(3);

/// What became of accepted jobs, as their clients saw it.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// A digest of the record of each one's end, by id.
    ended: HashMap<String, u64>,
    pub(crate) lost: Vec<String>,
    pub(crate) wrong: Vec<String>,
    /// Two submissions that got one id, or ends that changed.
    pub(crate) doubled: Vec<String>,
}

impl Tally {
    /// Ids of those that have ended.
    pub(crate) fn ids(&self) -> HashSet<String> {
        self.ended.keys().cloned().collect()
    }

    /// How many were accepted.
    pub(crate) fn jobs(&self) -> usize {
        self.ended.len() + self.lost.len()
    }

    /// Follows an accepted job to its end. The API may be away for a while.
    pub(crate) async fn follow(&mut self, client: &Client, id: String, job: &Job) -> Option<Value> {
        match end_of(client, &id).await {
            Ok(record) => {
                if let Some(complaint) = job.complaint(&record) {
                    self.wrong.push(format!("{id}: {complaint}"));
                }
                if self.ended.insert(id.clone(), digest(&record)).is_some() {
                    self.doubled.push(format!("{id}: two submissions got this id"));
                }
                Some(record)
            }
            Err(reason) => {
                self.lost.push(format!("{id}: {reason}"));
                None
            }
        }
    }

    pub(crate) fn add(&mut self, other: Self) {
        for (id, digest) in other.ended {
            if self.ended.insert(id.clone(), digest).is_some() {
                self.doubled.push(format!("{id}: two submissions got this id"));
            }
        }
        self.lost.extend(other.lost);
        self.wrong.extend(other.wrong);
        self.doubled.extend(other.doubled);
    }

    /// Looks at every record once more: what is over does not change, and is not forgotten before its time.
    pub(crate) async fn look_again(&mut self, client: &Client) {
        for (id, before) in &self.ended {
            match end_of(client, id).await {
                Ok(record) if digest(&record) == *before => {}
                Ok(record) => self
                    .doubled
                    .push(format!("{id}: it was over and changed: {record:#}")),
                Err(reason) => self.lost.push(format!("{id}: {reason}")),
            }
        }
    }
}

fn digest(record: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    record.to_string().hash(&mut hasher);
    hasher.finish()
}

/// The record of an accepted job's end, or why there is none.
async fn end_of(client: &Client, id: &str) -> Result<Value, String> {
    let since = Instant::now();
    while since.elapsed() < JOB_TIMEOUT {
        let answer = client.ask(Method::GET, &format!("/jobs/{id}?wait=5"), None).await;
        match answer {
            Some(Answer {
                status: StatusCode::OK,
                body,
                ..
            }) if is_terminal(&body) => return Ok(body),
            Some(Answer {
                status: StatusCode::NOT_FOUND,
                ..
            }) => return Err("it is unknown".to_owned()),
            Some(Answer {
                status: StatusCode::OK,
                ..
            }) => {}
            _ => sleep(Duration::from_millis(20)).await,
        }
    }
    Err("it does not end".to_owned())
}

/// Clients at work.
#[derive(Debug)]
pub(crate) struct Load {
    clients: JoinSet<Tally>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    client: Client,
    mix: Mix,
    /// The number of the first job.
    first: u64,
    begun: AtomicU64,
    ended: AtomicU64,
    most: u64,
    enough: AtomicBool,
}

impl Load {
    /// So many clients, which stop after `most` jobs, or when they are asked to.
    pub(crate) fn start(client: &Client, mix: Mix, clients: u64, most: u64) -> Self {
        Self::start_at(0, client, mix, clients, most)
    }

    /// With jobs whose numbers, and so their keys, begin with this one.
    pub(crate) fn start_at(first: u64, client: &Client, mix: Mix, clients: u64, most: u64) -> Self {
        let shared = Arc::new(Shared {
            client: client.clone(),
            mix,
            first,
            begun: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            most,
            enough: AtomicBool::new(false),
        });
        let mut tasks = JoinSet::new();
        for _ in 0..clients {
            tasks.spawn(Arc::clone(&shared).submit());
        }
        Self {
            clients: tasks,
            shared,
        }
    }

    /// How many jobs have ended so far.
    pub(crate) fn ended(&self) -> u64 {
        self.shared.ended.load(Ordering::Relaxed)
    }

    /// Whether all clients have stopped by themselves.
    pub(crate) fn is_over(&self) -> bool {
        self.ended() >= self.shared.most
    }

    /// Submits no more, and returns when everything that was accepted has ended.
    pub(crate) async fn finish(self) -> Tally {
        self.shared.enough.store(true, Ordering::Relaxed);
        let mut all = Tally::default();
        for tally in self.clients.join_all().await {
            all.add(tally);
        }
        all
    }
}

impl Shared {
    async fn submit(self: Arc<Self>) -> Tally {
        let mut tally = Tally::default();
        while !self.enough.load(Ordering::Relaxed) {
            let number = self.begun.fetch_add(1, Ordering::Relaxed);
            if number >= self.most {
                break;
            }
            let number = self.first + number;
            let job = self.mix.job(number);
            let key = format!("load-{number}");
            let id = self.client.submit_surely(&job.submission, &key).await;
            tally.follow(&self.client, id, &job).await;
            self.ended.fetch_add(1, Ordering::Relaxed);
        }
        tally
    }
}
