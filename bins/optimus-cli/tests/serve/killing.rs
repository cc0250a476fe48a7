//! `kill -9` at random points, under load, again and again.

use std::{
    collections::BTreeMap,
    env,
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use optimus_testkit::client::{Client, Method, is_terminal};
use serde_json::Value;
use tokio::{task::JoinSet, time::sleep};

use crate::{
    client::{assert_verdict, submission, try_submit},
    process::Machine,
};

const USUAL_ROUNDS: u64 = 8;
const LANGUAGES: [&str; 2] = ["--language", "python,c"];
/// Clients that submit without rest.
const CLIENTS: u64 = 3;
/// Jobs under way before the clients wait, so that the last ones end soon after the last round.
const BACKLOG: usize = 24;
/// The last kill comes this long after its start.
const LONGEST_LIFE_MS: u64 = 1500;

/// Everything accepted so far.
#[derive(Debug, Default)]
struct Ledger {
    jobs: Mutex<BTreeMap<String, Job>>,
    keys: AtomicU64,
    /// The clients finish what they have begun.
    enough: AtomicBool,
}

#[derive(Debug, Clone)]
struct Job {
    key: String,
    submission: Value,
    /// As it was when it was first seen to be over.
    ended: Option<Value>,
}

fn random(below: u64) -> u64 {
    // Each RandomState hashes with keys of its own.
    RandomState::new().hash_one(()) % below
}

/// One of several kinds of job, each of which tells by its output that it was graded by its own tests.
fn a_job(number: u64) -> Value {
    let word = format!("job {number}\n");
    match number % 4 {
        0 => submission(
            "c",
            &format!("#include <stdio.h>\nint main(void) {{ puts(\"job {number}\"); }}\n"),
            &word,
        ),
        1 => submission(
            "python",
            &format!("import time\ntime.sleep(0.3)\nprint('job {number}')\n"),
            &word,
        ),
        _ => submission("python", &format!("print('job {number}')\n"), &word),
    }
}

impl Ledger {
    fn ids(&self, matches: impl Fn(&Job) -> bool) -> Vec<String> {
        let jobs = self.jobs.lock().unwrap();
        let ids = jobs.iter().filter(|(_, job)| matches(job));
        ids.map(|(id, _)| id.clone()).collect()
    }

    fn open(&self) -> Vec<String> {
        self.ids(|job| job.ended.is_none())
    }

    /// Submits jobs until there are enough. A request that broke is repeated with its key until it is answered, as a
    /// careful client does.
    async fn submit(self: Arc<Self>, client: Client) {
        while !self.enough.load(Ordering::Relaxed) {
            if self.open().len() >= BACKLOG {
                sleep(Duration::from_millis(10)).await;
                continue;
            }
            let number = self.keys.fetch_add(1, Ordering::Relaxed);
            let (key, submission) = (format!("key-{number}"), a_job(number));
            let id = loop {
                match try_submit(&client, &key, &submission).await {
                    Some(id) => break id,
                    None => sleep(Duration::from_millis(10)).await,
                }
            };
            let job = Job {
                key,
                submission,
                ended: None,
            };
            let before = self.jobs.lock().unwrap().insert(id, job);
            assert!(before.is_none(), "two keys got one job");
        }
    }

    /// Looks at jobs that were not over yet, as long as there is an answer, and notes which of them are now.
    async fn look(&self, client: &Client) {
        for id in self.open() {
            let Some(answer) = client.ask(Method::GET, &format!("/jobs/{id}"), None).await else {
                return;
            };
            let record = answer.body;
            assert_eq!(answer.status, 200, "{id} was accepted and is lost: {record:#}");
            if is_terminal(&record) {
                assert_verdict(&record, "accepted");
                self.jobs.lock().unwrap().get_mut(&id).unwrap().ended = Some(record);
            }
        }
    }
}

pub(crate) async fn no_accepted_job_is_lost_or_graded_twice() {
    let rounds = env::var("OPTIMUS_KILL_ROUNDS").map_or(USUAL_ROUNDS, |rounds| rounds.parse().unwrap());
    // A job may be running at any number of kills; it is not its fault.
    let machine = Machine::new()
        .with("OPTIMUS__QUEUE__MAX_ATTEMPTS", &(rounds + 1))
        .with("OPTIMUS__QUEUE__RETRY_BACKOFF_MS", &50)
        .with("OPTIMUS__LOG__FILTER", &"warn");
    let ledger = Arc::new(Ledger::default());
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        clients.spawn(Arc::clone(&ledger).submit(machine.client()));
    }

    // The first round lives until there is something to lose.
    let mut served = machine.serve(&LANGUAGES).await;
    for round in 0..rounds {
        let life = Duration::from_millis(20 + random(LONGEST_LIFE_MS));
        let born = Instant::now();
        while born.elapsed() < life {
            served.assert_running();
            ledger.look(&served.client).await;
            sleep(Duration::from_millis(20)).await;
        }
        served.kill().await;
        served = if round % 4 == 3 {
            // Now and then nothing but the death itself has cleaned up.
            machine.leftovers().assert_no_processes().await;
            machine.serve(&LANGUAGES).await
        } else {
            machine.launch(&LANGUAGES)
        };
    }
    ledger.enough.store(true, Ordering::Relaxed);
    clients.join_all().await;
    served.leave().await;
    machine.leftovers().assert_none().await;

    let served = machine.serve(&LANGUAGES).await;
    for id in ledger.open() {
        let record = served.client.done(&id).await;
        assert_verdict(&record, "accepted");
        ledger.jobs.lock().unwrap().get_mut(&id).unwrap().ended = Some(record);
    }
    let jobs = ledger.jobs.lock().unwrap().clone();
    let mut repeated = 0;
    for (id, job) in &jobs {
        let record = served.client.record(id).await;
        assert_eq!(
            Some(&record),
            job.ended.as_ref(),
            "a job that was over has changed"
        );
        let attempts = record["attempts"].as_u64().unwrap();
        assert!((1..=rounds + 1).contains(&attempts), "{record:#}");
        repeated += u64::from(attempts > 1);
        let again = try_submit(&served.client, &job.key, &job.submission).await;
        assert_eq!(again.unwrap(), *id, "a key is forgotten");
    }
    // The store counts a finish in the same step that accepts it.
    assert_eq!(
        served.client.finished().await,
        jobs.len() as u64,
        "some job was finished twice"
    );
    assert!(
        jobs.len() as u64 > rounds,
        "there was no load: {} jobs",
        jobs.len()
    );
    assert!(repeated > 0, "no kill met a running job");
    println!(
        "killed {rounds} times: {} jobs, {repeated} of them run again",
        jobs.len()
    );
    served.leave().await;
    machine.leftovers().assert_none().await;
}
