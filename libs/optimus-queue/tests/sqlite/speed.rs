//! What a transition costs beside what it cannot do without, and that it costs the same at any depth.

use std::time::{Duration, Instant};

use optimus_common::settings::Queue;
use optimus_queue::{
    JobStore,
    bench::{self, Plan, Report},
    sqlite::SqliteStore,
};
use rusqlite::Connection;

use crate::folder::{Folder, accepted, claim, job_of, queue, submit};

const fn plan(jobs: u64, callers: u64) -> Plan {
    Plan {
        jobs,
        callers,
        pickups: 50,
    }
}

/// A loop of inserts, each on disk before the next, as a program would make them that does nothing else.
fn bare_inserts_per_second(folder: &Folder, count: u32) -> f64 {
    let db = Connection::open(folder.path().join("bare.db")).unwrap();
    db.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         CREATE TABLE jobs (id TEXT PRIMARY KEY, json BLOB NOT NULL);",
    )
    .unwrap();
    let start = Instant::now();
    for _ in 0..count {
        let job = job_of("pass");
        let json = serde_json::to_vec(&job.submission).unwrap();
        db.prepare_cached("INSERT INTO jobs VALUES (?1, ?2)")
            .unwrap()
            .execute((job.id.to_string(), json))
            .unwrap();
    }
    f64::from(count) / start.elapsed().as_secs_f64()
}

/// Claims and finishes count as the two syncs they need.
fn syncs_per_second(report: Report) -> f64 {
    2.0 / (1.0 / report.submits_per_second + 0.5 / report.claims_and_finishes_per_second)
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_at_once_share_the_disk() {
    let folder = Folder::on_disk();
    let bare = bare_inserts_per_second(&folder, 2000);
    println!("a bare loop of inserts: {bare:.0}/s");
    let measure = async |callers, plan| {
        let database = folder.path().join(format!("{callers}.db"));
        let report = bench::run_sqlite(&database, &queue(), plan).await.unwrap();
        println!(
            "{callers}: submits {:.0}/s ({:.2} of bare), claims and finishes {:.0}/s ({:.2} of bare), pick-up p50 \
             {:.2} ms, p99 {:.2} ms",
            report.submits_per_second,
            report.submits_per_second / bare,
            report.claims_and_finishes_per_second,
            report.claims_and_finishes_per_second / bare,
            report.pickup_p50_ms,
            report.pickup_p99_ms,
        );
        syncs_per_second(report)
    };
    let alone = measure("1 caller", plan(1000, 1)).await;
    let together = measure("256 callers", plan(5000, 256)).await;
    assert!(together > alone, "{together} against {alone}");
}

/// So many waiting jobs, as if they had been submitted.
async fn fill(folder: &Folder, depth: u32) {
    drop(folder.store(&queue()).await);
    let mut db = folder.look();
    let json = serde_json::to_vec(&job_of("pass").submission).unwrap();
    let all = db.transaction().unwrap();
    for rank in 1..=depth {
        let id = optimus_common::JobId::new().to_string();
        all.prepare_cached(
            "INSERT INTO jobs (id, language, priority, status, list, rank, bytes, tests, created)
               VALUES (?1, 'python', 'normal', 'queued', 'normal', ?2, ?3, 1, 1)",
        )
        .unwrap()
        .execute((id, rank, json.len()))
        .unwrap();
        all.prepare_cached("INSERT INTO submissions VALUES (last_insert_rowid(), ?1)")
            .unwrap()
            .execute([&json])
            .unwrap();
    }
    all.commit().unwrap();
}

/// With so many jobs waiting.
async fn filled(folder: &Folder, depth: u32) -> SqliteStore {
    fill(folder, depth).await;
    let store = folder
        .store(&Queue {
            max_waiting_jobs: u64::MAX,
            ..queue()
        })
        .await;
    let waiting = store.queues(&["python".parse().unwrap()]).await.unwrap()[0].waiting();
    assert_eq!(waiting, u64::from(depth));
    store
}

/// Of a submission, a claim and a finish.
async fn time(store: &SqliteStore) -> Duration {
    let start = Instant::now();
    submit(store).await;
    let lease = claim(store).await.lease;
    store.finish(&lease, accepted()).await.unwrap();
    start.elapsed()
}

/// Each job of the one store is compared with the next one of the other, so that whatever else the disk does
/// meanwhile meets both.
#[tokio::test]
async fn depth_costs_nothing() {
    let folders = [Folder::new(), Folder::new()];
    let shallow = filled(&folders[0], 10).await;
    let deep = filled(&folders[1], 100_000).await;
    let mut ratios = Vec::new();
    for _ in 0..301 {
        let alone = time(&shallow).await;
        ratios.push(time(&deep).await.as_secs_f64() / alone.as_secs_f64());
    }
    ratios.sort_unstable_by(f64::total_cmp);
    let median = ratios[ratios.len() / 2];
    println!("a job with 100000 waiting takes {median:.2} times what it takes with 10");
    assert!(median < 3.0, "{median} times");
}
