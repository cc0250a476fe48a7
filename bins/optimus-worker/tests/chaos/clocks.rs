//! Wall clocks that are hours apart, and that jump while jobs run. A small library is preloaded into each process, which
//! tells it the time; the containers' and the store's own clocks are left alone.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, SystemTime},
};

use optimus_testkit::{boxes::Kind, process::Process, until};
use serde_json::Value;

use crate::{
    fleet::{Options, hasty},
    jobs::Mix,
    load::{Load, Tally},
    report::Round,
    scene::Scene,
    served::Served,
    steps::quick,
};

const HOUR: i64 = 3600;

/// How far a record's times may be from this process' clock: far less than any offset.
const FAR: Duration = Duration::from_mins(10);

/// A clock that can be set.
#[derive(Debug)]
struct Clock(PathBuf);

impl Clock {
    fn off_by(dir: &Path, name: &str, seconds: i64) -> Self {
        let clock = Self(dir.join(name));
        clock.set(seconds);
        clock
    }

    fn set(&self, seconds: i64) {
        // Written over, never made anew: it is mapped into processes.
        use std::os::unix::fs::FileExt;
        let file = fs::File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&self.0)
            .unwrap();
        file.write_all_at(&seconds.to_ne_bytes(), 0).unwrap();
    }

    fn environment(&self, library: &Path) -> [(&'static str, String); 2] {
        [
            ("LD_PRELOAD", library.display().to_string()),
            ("CHAOS_CLOCK", self.0.display().to_string()),
        ]
    }
}

/// Compiles the library that is preloaded.
fn library(dir: &Path) -> PathBuf {
    let (source, library) = (dir.join("clock.c"), dir.join("clock.so"));
    fs::write(&source, include_str!("clock.c")).unwrap();
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .args([&library, &source])
        .status()
        .expect("a C compiler is needed");
    assert!(compiled.success());
    library
}

/// Checks that a process believes its clock: the time of its first line in the log is off by that much.
fn assert_deceived(process: &Process, seconds: i64) {
    let log = process.log();
    let (stamp, _) = log.split_once(' ').unwrap();
    let said: jiff::Timestamp = stamp.parse().unwrap();
    let off = said.as_second() - jiff::Timestamp::now().as_second();
    assert!(
        (off - seconds).abs() < HOUR / 4,
        "{stamp} is off by {off} s instead of {seconds} s"
    );
}

/// The times in a record are the store's.
fn assert_times(record: &Value, store_is_off_by: i64) {
    let now = jiff::Timestamp::try_from(SystemTime::now()).unwrap().as_second() + store_is_off_by;
    for field in ["created_at", "started_at", "finished_at"] {
        let time: jiff::Timestamp = record[field].as_str().unwrap().parse().unwrap();
        let off = (time.as_second() - now).unsigned_abs();
        assert!(off < FAR.as_secs(), "{field} is {off} s off: {record:#}");
    }
}

pub(crate) async fn nobody_of_a_fleet_agrees() {
    let tools = tempfile::tempdir().unwrap();
    let library = library(tools.path());
    let clock = |name: &str, hours: i64| Clock::off_by(tools.path(), name, hours * HOUR);
    let clocks = [clock("first", 2), clock("second", -3), clock("api", 12)];
    let options = Options {
        workers: 2,
        ..Options::of(Kind::Native)
    };
    let mut scene = Scene::start(options).await;
    scene.fleet.set_environment(&clocks[2].environment(&library));
    scene.fleet.replace_api().await;
    for (index, clock) in clocks[..2].iter().enumerate() {
        scene.fleet.set_environment(&clock.environment(&library));
        scene.fleet.replace_worker(index).await;
    }
    scene.fleet.until_available().await;
    until("both workers work", async || {
        scene
            .fleet
            .workers
            .iter()
            .all(|worker| worker.process.log().contains("working worker_id="))
    })
    .await;
    assert_deceived(&scene.fleet.workers[0].process, 2 * HOUR);
    assert_deceived(&scene.fleet.workers[1].process, -3 * HOUR);

    let job = quick("times");
    let id = scene.submit(&job).await;
    scene.ends_after(id.clone(), &job, 1..).await;
    assert_times(&scene.fleet.client.record(&id).await, 0);

    // Forth and back while jobs run, and one worker dies.
    let load = Load::start(&scene.fleet.client, Mix::Python, 4, u64::MAX);
    for hours in [30, -30, 0] {
        for clock in &clocks {
            clock.set(hours * HOUR);
            scene.faults += 1;
        }
        let before = load.ended();
        until("jobs end after the clocks jumped", async || {
            load.ended() >= before + 6
        })
        .await;
    }
    scene.fleet.replace_worker(1).await;
    scene.faults += 1;
    let first = std::mem::take(&mut scene.tally);
    scene.tally = load.finish().await;
    scene.tally.add(first);
    scene.conclude("clocks/redis", 0).await;
}

/// SQLite has no clock but its process' own.
pub(crate) async fn the_clock_under_sqlite_jumps() {
    let tools = tempfile::tempdir().unwrap();
    let library = library(tools.path());
    let clock = Clock::off_by(tools.path(), "clock", 5 * HOUR);
    let mut environment = hasty();
    environment.extend(clock.environment(&library));
    let dir = tempfile::tempdir().unwrap();
    let mut served = Served::start(dir, "python", environment).await;

    let mut tally = Tally::default();
    let job = quick("times");
    let id = served.client.submit_surely(&job.submission, "times").await;
    let record = tally.follow(&served.client, id, &job).await.unwrap();
    assert_times(&record, 5 * HOUR);

    let load = Load::start(&served.client, Mix::Python, 4, u64::MAX);
    for hours in [8, -8, 0] {
        clock.set(hours * HOUR);
        let before = load.ended();
        until("jobs end after the clock jumped", async || {
            load.ended() >= before + 6
        })
        .await;
    }
    served.replace().await;
    let first = tally;
    let mut tally = load.finish().await;
    tally.add(first);
    tally.look_again(&served.client).await;
    let round = Round {
        name: "clocks/sqlite".to_owned(),
        seed: 0,
        faults: 4,
        tally,
        finished: served.client.finished().await,
        acknowledged: served.acknowledged(),
        left_over: served.stop().await,
    };
    round.conclude();
}
