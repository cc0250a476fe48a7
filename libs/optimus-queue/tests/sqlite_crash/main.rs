//! A SQLite store whose process is killed keeps every promise it made.
//!
//! The process that is killed is this very program, started again with the path of the database. It works on jobs as
//! fast as it can, and says on its output what it was promised; it is killed at a random moment, and the database is
//! compared with what it said.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it does"
)]

mod ledger;
mod load;

use std::{
    env,
    hash::{BuildHasher, RandomState},
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use ledger::Ledger;
use optimus_queue::{Upkeep, sqlite::SqliteStore};
use rusqlite::Connection;

const WORK_ON: &str = "--work-on";
const ROUNDS: u32 = 20;

/// The longest a process lives, from its start: the first ones die while they make the database.
const LONGEST_LIFE: Duration = Duration::from_millis(600);

#[tokio::main]
async fn main() {
    let args: Vec<String> = env::args().collect();
    match args.get(1..) {
        Some([flag, database]) if flag == WORK_ON => load::work(Path::new(database)).await,
        _ => {
            println!("a SQLite store whose process is killed {ROUNDS} times");
            let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
            survives_kills(&folder.path().join("optimus.db")).await;
            println!("ok");
        }
    }
}

async fn survives_kills(database: &Path) {
    let mut ledger = Ledger::default();
    for round in 0..ROUNDS {
        // Short lives first, and random ones within that.
        let longest = LONGEST_LIFE * (round + 1) / ROUNDS;
        let life = longest * random_below(1000) / 1000;
        for line in kill_after(database, life) {
            ledger.note(&line);
        }
        check_file(database);
        let store = open(database).await;
        ledger.check(&store).await;
        drop(store);
        println!("round {round}: lived {life:?}; {ledger}");
    }
    let store = open(database).await;
    load::finish_all(&store, |line| ledger.note(&line)).await;
    ledger.check(&store).await;
    ledger.check_all_over(&store).await;
    assert!(
        ledger.has_seen_work(),
        "too little happened to say anything: {ledger}"
    );
}

fn random_below(bound: u64) -> u32 {
    u32::try_from(RandomState::new().hash_one(Instant::now()) % bound).unwrap()
}

/// Lets the process work for so long, kills it, and answers all it said.
fn kill_after(database: &Path, life: Duration) -> Vec<String> {
    let mut child = KilledAtLast(
        Command::new(env::current_exe().unwrap())
            .arg(WORK_ON)
            .arg(database)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let output = child.0.stdout.take().unwrap();
    let said = thread::spawn(move || BufReader::new(output).lines().map(Result::unwrap).collect());
    thread::sleep(life);
    let before_its_time = child.0.try_wait().unwrap();
    assert!(
        before_its_time.is_none(),
        "it ended by itself: {before_its_time:?}"
    );
    drop(child);
    said.join().unwrap()
}

struct KilledAtLast(Child);

impl Drop for KilledAtLast {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// As the file was left, before the store mends anything.
fn check_file(database: &Path) {
    if !database.exists() {
        return;
    }
    let check: String = Connection::open(database)
        .unwrap()
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(check, "ok");
}

async fn open(database: &Path) -> SqliteStore {
    let store = SqliteStore::open(database, &load::queue()).await.unwrap();
    store.ping().await.unwrap();
    store
}
