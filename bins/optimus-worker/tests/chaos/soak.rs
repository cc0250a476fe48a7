//! Trivial jobs without end, and kills all the while; then everything expires, and the memory is as it was.
//!
//! `OPTIMUS_SOAK_SECONDS` says for how long jobs are submitted to each store (60), `OPTIMUS_SOAK_JOBS` how many are,
//! however long that takes.

use std::{
    env,
    time::{Duration, Instant},
};

use optimus_testkit::{boxes::Kind, redis::Redis, until};
use tokio::time::sleep;

use crate::{
    fleet::{Fleet, Options, Store, hasty},
    jobs::Mix,
    load::Load,
    proxy::Proxy,
    report::Round,
    seed::{Seed, number_from},
    served::Served,
    trivial,
};

const CLIENTS: u64 = 12;

/// How long results are kept: longer than a client may need to see one.
const KEPT: Duration = Duration::from_secs(20);

const PROGRESS_EVERY: Duration = Duration::from_mins(1);

const MIB: u64 = 1 << 20;

/// When there were enough jobs.
struct Budget {
    until: Option<Instant>,
    jobs: u64,
    begun: Instant,
    reported: Instant,
}

impl Budget {
    fn from_environment() -> Self {
        let now = Instant::now();
        let jobs =
            env::var("OPTIMUS_SOAK_JOBS").map(|jobs| jobs.parse().expect("OPTIMUS_SOAK_JOBS is a number"));
        let seconds = number_from("OPTIMUS_SOAK_SECONDS", 60);
        Self {
            until: jobs.is_err().then(|| now + Duration::from_secs(seconds)),
            jobs: jobs.unwrap_or(u64::MAX),
            begun: now,
            reported: now,
        }
    }

    fn is_spent(&mut self, load: &Load, faults: u64) -> bool {
        if self.reported.elapsed() > PROGRESS_EVERY {
            self.reported = Instant::now();
            println!(
                "{} s: {} jobs, {faults} faults",
                self.begun.elapsed().as_secs(),
                load.ended()
            );
        }
        load.is_over() || self.until.is_some_and(|until| Instant::now() > until)
    }

    /// How quick it was, for the line about memory.
    fn pace(&self, jobs: usize) -> u64 {
        jobs as u64 / self.begun.elapsed().as_secs().max(1)
    }
}

fn settings(dir: &std::path::Path) -> [(&'static str, String); 2] {
    [
        trivial::languages_file(dir),
        ("OPTIMUS__QUEUE__RESULT_TTL_MS", KEPT.as_millis().to_string()),
    ]
}

/// In MiB, with one digit.
fn mib(bytes: u64) -> String {
    format!("{}.{}", bytes / MIB, bytes % MIB * 10 / MIB)
}

fn assert_back(what: &str, before: u64, after: u64, spare: u64) {
    assert!(
        after <= before + before / 2 + spare,
        "{what}: {} MiB before, {} MiB after everything has expired",
        mib(before),
        mib(after)
    );
}

pub(crate) async fn redis() {
    let mut seed = Seed::of_round(0);
    let dir = tempfile::tempdir().unwrap();
    let mut redis = Redis::start(dir.path()).await;
    let mut options = Options {
        languages: trivial::NAME,
        workers: 2,
        ..Options::of(Kind::Native)
    };
    options.environment.extend(settings(dir.path()));
    let mut fleet = Fleet::start(dir, Store::At(redis.port()), options).await;
    let (before, keys_before) = (used_memory(&redis), keys(&redis));
    let processes_before = fleet.memory();

    let mut budget = Budget::from_environment();
    let load = Load::start(&fleet.client, Mix::Trivial, CLIENTS, budget.jobs);
    let (mut faults, mut most) = (0, before);
    while !budget.is_spent(&load, faults) {
        sleep(Duration::from_millis(seed.random.u64(100..900))).await;
        fleet.revive().await;
        disturb(&mut fleet, &mut redis, &mut seed).await;
        faults += 1;
        most = most.max(used_memory(&redis));
    }
    fleet.until_available().await;
    let tally = load.finish().await;
    let pace = budget.pace(tally.jobs());

    until("every job and key has expired", async || {
        keys(&redis) <= keys_before + SPARE_KEYS
    })
    .await;
    let (after, processes_after) = (used_memory(&redis), fleet.memory());
    println!(
        "soak/redis: {pace} jobs/s, Redis {} MiB before, {} at most, {} after; processes (bytes) before {:?}, after {:?}",
        mib(before),
        mib(most),
        mib(after),
        processes_before,
        processes_after
    );
    let round = Round {
        name: "soak/redis".to_owned(),
        seed: seed.number,
        faults,
        tally,
        finished: fleet.client.finished().await,
        acknowledged: fleet.acknowledged(),
        left_over: fleet.stop().await,
    };
    redis.stop().await;
    round.conclude();
    assert_back("Redis", before, after, 2 * MIB);
    for ((name, before), (_, after)) in processes_before.into_iter().zip(processes_after) {
        assert_back(&name, before, after, 32 * MIB);
    }
}

/// Beside jobs: counters, the list of workers, wake-ups, dead jobs.
const SPARE_KEYS: u64 = 4;

async fn disturb(fleet: &mut Fleet, redis: &mut Redis, seed: &mut Seed) {
    let worker = seed.random.usize(..fleet.workers.len());
    match seed.random.u32(..10) {
        0..3 => drop(fleet.replace_worker(worker).await),
        3..5 => drop(fleet.replace_api().await),
        5 => {
            redis.kill().await;
            redis.start_again().await;
        }
        6..8 => drop(redis.ask(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"])),
        8 => fleet.paths().for_each(Proxy::cut_in_answers),
        _ => fleet.kill_boxes(),
    }
}

fn used_memory(redis: &Redis) -> u64 {
    let info = redis.ask(&["INFO", "memory"]);
    let line = info.iter().find_map(|line| line.strip_prefix("used_memory:"));
    line.unwrap().trim().parse().unwrap()
}

fn keys(redis: &Redis) -> u64 {
    redis.ask(&["DBSIZE"])[0].parse().unwrap()
}

pub(crate) async fn sqlite() {
    let mut seed = Seed::of_round(0);
    let dir = tempfile::tempdir().unwrap();
    let mut environment = hasty();
    environment.extend(settings(dir.path()));
    let mut served = Served::start(dir, trivial::NAME, environment).await;
    let before = (served.database().bytes(), served.process.own_memory());

    let mut budget = Budget::from_environment();
    let load = Load::start(&served.client, Mix::Trivial, CLIENTS, budget.jobs);
    let (mut faults, mut most) = (0, before.0);
    while !budget.is_spent(&load, faults) {
        sleep(Duration::from_millis(seed.random.u64(200..4000))).await;
        served.revive();
        if seed.random.u32(..4) > 0 {
            served.replace().await;
        } else {
            served.kill_boxes();
        }
        faults += 1;
        most = most.max(served.database().bytes());
    }
    served.until_available().await;
    let tally = load.finish().await;
    let pace = budget.pace(tally.jobs());

    until("every job has expired", async || served.database().jobs() == 0).await;
    let after = (served.database().bytes(), served.process.own_memory());
    println!(
        "soak/sqlite: {pace} jobs/s, database {} MiB before, {} at most, {} after; process {} MiB before, {} after",
        mib(before.0),
        mib(most),
        mib(after.0),
        mib(before.1),
        mib(after.1)
    );
    let round = Round {
        name: "soak/sqlite".to_owned(),
        seed: seed.number,
        faults,
        tally,
        finished: served.client.finished().await,
        acknowledged: served.acknowledged(),
        left_over: served.stop().await,
    };
    round.conclude();
    // What stays for new jobs: see docs/queue.md.
    assert_back("the database", before.0, after.0, (4 + 16) * MIB);
    assert_back("the process", before.1, after.1, 32 * MIB);
}
