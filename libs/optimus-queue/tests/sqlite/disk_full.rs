//! A disk without room, for real: a small file system in memory. Mounting it needs root.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use optimus_common::{JobId, causes, job::JobStatus};
use optimus_queue::{
    Finish, JobQueue, StoreError, Submitted, Upkeep,
    conformance::jobs::{TIMEOUT, claim, job_of, python, queue, status, submit, worker},
    sqlite::SqliteStore,
};
use optimus_testkit::small_disk::SmallDisk;
use rusqlite::Connection;
use tempfile::TempDir;

use crate::folder::accepted_with;

const MIB: usize = 1 << 20;

/// In a folder that is gone once the disk is unmounted.
struct SmallFolder {
    disk: SmallDisk,
    _folder: TempDir,
}

impl SmallFolder {
    fn mount(mib: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            disk: SmallDisk::mount(folder.path(), mib),
            _folder: folder,
        }
    }

    fn database(&self) -> PathBuf {
        self.disk.path().join("optimus.db")
    }
}

fn assert_sound(database: &Path) {
    let check: String = Connection::open(database)
        .unwrap()
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(check, "ok");
}

/// Submits until it is refused for want of room. The ids that were accepted.
async fn submit_until_refused(store: &SqliteStore) -> Vec<JobId> {
    let mut accepted = Vec::new();
    loop {
        let job = job_of(&"x".repeat(MIB));
        let id = job.id;
        match store.submit(job).await {
            Ok(Submitted::Created) => accepted.push(id),
            Err(error @ StoreError::Unavailable(_)) => {
                assert!(causes(&error).contains("bytes left"), "{}", causes(&error));
                assert_eq!(store.get(id).await.unwrap(), None, "nothing of it is kept");
                return accepted;
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn jobs_drain_from_a_disk_that_takes_no_more() {
    let folder = SmallFolder::mount(64);
    let store = SqliteStore::open(&folder.database(), &queue()).await.unwrap();
    for _ in 0..2 {
        let mut accepted = Vec::new();
        let start = Instant::now();
        // The room of the round before is given back by and by.
        while accepted.len() < 10 {
            assert!(start.elapsed() < TIMEOUT, "{} jobs were taken", accepted.len());
            store.reap().await.unwrap();
            accepted.extend(submit_until_refused(&store).await);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        while let Some(claim) = store.claim(&python(), &worker()).await.unwrap() {
            assert_eq!(
                store.finish(&claim.lease, accepted_with(1000)).await.unwrap(),
                Finish::Accepted
            );
        }
        for id in accepted {
            assert_eq!(status(&store, id).await, JobStatus::Completed);
        }
    }
    drop(store);
    assert_sound(&folder.database());
}

#[tokio::test]
async fn a_full_disk_is_told_of_and_survived() {
    let folder = SmallFolder::mount(64);
    let store = SqliteStore::open(&folder.database(), &queue()).await.unwrap();
    let (running, waiting) = (submit(&store).await, submit(&store).await);
    let lease = claim(&store).await.lease;
    let filler = folder.disk.fill();

    let outcome = accepted_with(20 * MIB);
    let error = store.finish(&lease, outcome.clone()).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)));
    assert!(causes(&error).contains("disk is full"), "{}", causes(&error));
    let error = store.submit(job_of("pass")).await.unwrap_err();
    assert!(causes(&error).contains("bytes left"), "{}", causes(&error));
    assert_eq!(
        status(&store, running).await,
        JobStatus::Running,
        "it still can be read"
    );

    fs::remove_file(filler).unwrap();
    assert_eq!(store.finish(&lease, outcome).await.unwrap(), Finish::Accepted);
    assert_eq!(status(&store, running).await, JobStatus::Completed);
    assert_eq!(claim(&store).await.lease.job, waiting);
    submit(&store).await;
    drop(store);
    assert_sound(&folder.database());
}

#[tokio::test]
async fn one_that_asks_for_too_much_takes_no_other_with_it() {
    let folder = SmallFolder::mount(32);
    let store = SqliteStore::open(&folder.database(), &queue()).await.unwrap();
    let mut leases = Vec::new();
    for _ in 0..20 {
        submit(&store).await;
        leases.push(claim(&store).await.lease);
    }
    // Neither the first nor the last: those before it wait for the disk, and share their transaction with it.
    let greedy = leases[10].clone();
    let finishes = leases.iter().map(|lease| {
        let bytes = if *lease == greedy { 40 * MIB } else { 1000 };
        store.finish(lease, accepted_with(bytes))
    });
    let answers = futures_util::future::join_all(finishes).await;
    for (lease, answer) in leases.iter().zip(answers) {
        if *lease == greedy {
            assert!(causes(&answer.unwrap_err()).contains("disk is full"));
        } else {
            assert_eq!(answer.unwrap(), Finish::Accepted);
        }
    }
    assert_eq!(
        store.finish(&greedy, accepted_with(1000)).await.unwrap(),
        Finish::Accepted,
        "it is still held"
    );
    drop(store);
    assert_sound(&folder.database());
}
