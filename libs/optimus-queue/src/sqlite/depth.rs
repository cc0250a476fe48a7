//! That a job costs the same however many wait: SQLite's own steps are counted, and nothing is measured by a clock.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use optimus_common::{
    JobId, WorkerId,
    job::Outcome,
    result::{JobResult, OverallStatus, Verdict},
    submission::Submission,
};
use rusqlite::Connection;
use serde_json::json;

use super::{
    clock::Clock, context::StoreContext, file::DatabaseFile, reader::Reader, rules::Rules, schema,
    store::SqliteStore, writer::Writer,
};
use crate::{
    JobQueue, NewJob, Submitted, Upkeep, local_workers::LocalWorkers, notifier::Notifier,
    settings::QueueSettings,
};

fn submission() -> Submission {
    serde_json::from_value(json!({
        "language": "python",
        "source_code": "pass",
        "test_cases": [{"id": 1, "input": "", "expected_output": ""}],
    }))
    .unwrap()
}

/// Makes so many jobs wait, as if they had been submitted.
fn fill(db: &mut Connection, depth: u32) {
    let json = serde_json::to_vec(&submission()).unwrap();
    let all = db.transaction().unwrap();
    for rank in 1..=depth {
        all.prepare_cached(
            "INSERT INTO jobs (id, language, priority, status, list, rank, bytes, tests, created)
               VALUES (?1, 'python', 'normal', 'queued', 'normal', ?2, ?3, 1, 1)",
        )
        .unwrap()
        .execute((JobId::new().to_string(), rank, json.len()))
        .unwrap();
        all.prepare_cached("INSERT INTO submissions VALUES (last_insert_rowid(), ?1)")
            .unwrap()
            .execute([&json])
            .unwrap();
    }
    all.commit().unwrap();
}

/// A job's whole way through the store, and a look at the queue.
async fn job(store: &SqliteStore) {
    let new = NewJob::new(submission());
    assert_eq!(store.submit(new).await.unwrap(), Submitted::Created);
    let (language, worker) = ("python".parse().unwrap(), WorkerId::from("w1".to_owned()));
    let claim = store
        .claim(&language, &worker)
        .await
        .unwrap()
        .expect("a job is due");
    let result = JobResult::not_graded(OverallStatus::Success, Verdict::Accepted, 1);
    store
        .finish(&claim.lease, Outcome::Completed(result))
        .await
        .unwrap();
    store.reap().await.unwrap();
}

/// How many steps of SQLite's machine a job takes where so many wait.
async fn steps(depth: u32) -> u64 {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.db");
    let queue = QueueSettings {
        max_waiting_jobs: u64::MAX,
        ..optimus_settings::defaults_of::<QueueSettings>("queue")
    };
    let context = Arc::new(StoreContext {
        file: DatabaseFile::own(&path).unwrap(),
        rules: Rules::of(&queue),
        clock: Clock::start(),
        notifier: Notifier::new(),
    });
    fill(&mut schema::open_writer(&path).unwrap(), depth);

    let steps = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&steps);
    let count = move || {
        counted.fetch_add(1, Ordering::Relaxed);
        false
    };
    let open = move |path: &Path| {
        let mut db = schema::open_writer(path)?;
        db.progress_handler(1, Some(count)).unwrap();
        Ok(db)
    };
    let store = SqliteStore {
        writer: Writer::start_with(context.clone(), open).await.unwrap(),
        reader: Arc::new(Reader::start(context.clone()).unwrap()),
        workers: LocalWorkers::default(),
        lease: queue.lease,
        context,
    };
    let waiting = store.depths(&["python".parse().unwrap()]).await.unwrap()[0].waiting();
    assert_eq!(waiting, u64::from(depth));
    // The first one is where statements are prepared.
    job(&store).await;
    let before = steps.load(Ordering::Relaxed);
    job(&store).await;
    steps.load(Ordering::Relaxed) - before
}

#[tokio::test]
async fn a_job_takes_as_many_steps_however_many_wait() {
    let (shallow, deep) = (steps(10).await, steps(10_000).await);
    println!("{shallow} steps with 10 jobs waiting, {deep} with 10000");
    assert!(shallow > 100, "the steps are counted");
    assert!(
        deep < 2 * shallow,
        "{deep} steps with 10000 jobs waiting, {shallow} with 10"
    );
}
