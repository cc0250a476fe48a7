//! What is done when somebody or something has damaged the data, and that nothing is left of jobs that are over.

use std::time::{Duration, Instant};

use optimus_common::{JobId, job::JobStatus, result::Verdict};
use optimus_queue::{
    Audited, EventBus, Finish, JobQueue, Progress, Reaped, StoreError, Submitted, Upkeep,
    conformance::jobs::{TIMEOUT, accepted, claim, job_of, python, queue, status, submit, worker},
    settings::QueueSettings,
};

use crate::server::RedisServer;

const MENDED: Audited = Audited {
    requeued: 1,
    dropped: 0,
};

#[tokio::test]
async fn a_queued_job_in_no_list_is_put_back() {
    let server = RedisServer::start();
    let store = server.store(&queue()).await;
    let id = submit(&*store).await;
    let _: u32 = server.command(&["LREM", "optimus:queue:python", "0", &id.to_string()]);
    assert!(store.claim(&python(), &worker()).await.unwrap().is_none());
    assert_eq!(store.audit().await.unwrap(), MENDED);
    assert_eq!(store.audit().await.unwrap(), Audited::default(), "once");
    assert_eq!(claim(&*store).await.lease.job, id);
    assert_eq!(store.totals().await.unwrap().requeued, [(python(), 1)].into());
}

#[tokio::test]
async fn a_delayed_job_that_vanished_from_its_place_is_put_back() {
    let server = RedisServer::start();
    let store = server
        .store(&QueueSettings {
            retry_backoff: Duration::from_hours(1),
            ..queue()
        })
        .await;
    let id = submit(&*store).await;
    store.retry(&claim(&*store).await.lease, "x").await.unwrap();
    let _: u32 = server.command(&["DEL", "optimus:delayed:python"]);
    assert_eq!(store.audit().await.unwrap(), MENDED);
    assert_eq!(claim(&*store).await.lease.job, id);
}

#[tokio::test]
async fn a_running_job_without_a_lease_gets_one() {
    let server = RedisServer::start();
    let store = server
        .store(&QueueSettings {
            lease: Duration::ZERO,
            ..queue()
        })
        .await;
    let id = submit(&*store).await;
    let lease = claim(&*store).await.lease;
    let _: u32 = server.command(&["DEL", "optimus:running:python"]);
    assert_eq!(
        store.reap().await.unwrap(),
        Reaped::default(),
        "reap cannot see it"
    );
    assert_eq!(store.audit().await.unwrap(), MENDED);
    assert_eq!(
        status(&*store, id).await,
        JobStatus::Running,
        "its worker may be well"
    );
    assert_eq!(
        store.reap().await.unwrap(),
        Reaped { requeued: 1, dead: 0 },
        "or not"
    );
    assert_eq!(store.finish(&lease, accepted()).await.unwrap(), Finish::Refused);
}

#[tokio::test]
async fn places_without_a_job_are_cleared() {
    let server = RedisServer::start();
    let store = server.store(&queue()).await;
    let finished = submit(&*store).await;
    store
        .finish(&claim(&*store).await.lease, accepted())
        .await
        .unwrap();
    let waiting = submit(&*store).await;
    for (list, id) in [
        ("optimus:queue:python", JobId::new()),
        ("optimus:queue:python:batch", finished),
    ] {
        let _: u32 = server.command(&["LPUSH", list, &id.to_string()]);
    }
    let _: u32 = server.command(&["ZADD", "optimus:delayed:python", "1", &JobId::new().to_string()]);
    // An audit spares what ended in the millisecond it began in.
    tokio::time::sleep(Duration::from_millis(2)).await;
    assert_eq!(
        store.audit().await.unwrap(),
        Audited {
            requeued: 0,
            dropped: 3
        }
    );
    let depth = store.depths(&[python()]).await.unwrap().remove(0);
    assert_eq!((depth.normal, depth.waiting()), (1, 1));
    assert_eq!(claim(&*store).await.lease.job, waiting);
}

#[tokio::test]
async fn a_miscounted_store_is_counted_again() {
    let server = RedisServer::start();
    let store = server.store(&queue()).await;
    submit(&*store).await;
    submit(&*store).await;
    claim(&*store).await;
    let bytes = store.totals().await.unwrap().stored_bytes;
    for wrong in ["1000000000", "-5", "0"] {
        let _: u32 = server.command(&["HSET", "optimus:counters", "stored_bytes", wrong]);
        store.audit().await.unwrap();
        assert_eq!(store.totals().await.unwrap().stored_bytes, bytes, "from {wrong}");
    }
}

#[tokio::test]
async fn a_claim_passes_over_any_number_of_stale_entries() {
    let server = RedisServer::start();
    let store = server.store(&queue()).await;
    for _ in 0..200 {
        let _: u32 = server.command(&["RPUSH", "optimus:queue:python", &JobId::new().to_string()]);
    }
    let id = submit(&*store).await;
    assert_eq!(claim(&*store).await.lease.job, id);
    assert_eq!(server.command::<u32>(&["LLEN", "optimus:queue:python"]), 0);
}

#[tokio::test]
async fn a_job_whose_submission_is_gone_or_unreadable_fails() {
    let server = RedisServer::start();
    let store = server.store(&queue()).await;
    let (gone, unreadable, well) = (
        submit(&*store).await,
        submit(&*store).await,
        submit(&*store).await,
    );
    let _: u32 = server.command(&["HDEL", &format!("optimus:job:{gone}"), "submission"]);
    let _: u32 = server.command(&[
        "HSET",
        &format!("optimus:job:{unreadable}"),
        "submission",
        "{\"lang",
    ]);
    assert_eq!(claim(&*store).await.lease.job, well, "they hold up nobody");
    for id in [gone, unreadable] {
        let record = store.get(id).await.unwrap().unwrap();
        assert_eq!(record.status, JobStatus::Failed);
        assert!(record.error.unwrap().contains("submission"));
        assert_eq!(record.result.unwrap().verdict, Verdict::InternalError);
    }
}

#[tokio::test]
async fn a_damaged_record_is_named() {
    let server = RedisServer::start();
    let store = server.store(&queue()).await;
    let id = submit(&*store).await;
    let _: u32 = server.command(&["HSET", &format!("optimus:job:{id}"), "created", "yesterday"]);
    assert!(matches!(store.get(id).await, Err(StoreError::Damaged { job, .. }) if job == id));
}

fn used_memory(server: &RedisServer) -> u64 {
    let info: String = server.command(&["INFO", "memory"]);
    info.lines()
        .find_map(|line| line.strip_prefix("used_memory:"))
        .unwrap()
        .trim()
        .parse()
        .unwrap()
}

#[tokio::test]
async fn keys_and_memory_return_to_where_they_were() {
    const BYTES: usize = 200_000;
    let server = RedisServer::start();
    let store = server
        .store(&QueueSettings {
            result_ttl: Duration::from_millis(200),
            ..queue()
        })
        .await;
    let some_jobs = async |count: u32| {
        for _ in 0..count {
            let source = "x".repeat(BYTES);
            assert_eq!(store.submit(job_of(&source)).await.unwrap(), Submitted::Created);
            let cancelled = job_of(&source);
            store.submit(cancelled.clone()).await.unwrap();
            store.cancel(cancelled.id).await.unwrap();
            let lease = claim(&*store).await.lease;
            let mut told = store.follow(lease.job, 1).await.unwrap().unwrap();
            store.publish(&lease, Progress::Started { attempt: 1 });
            told.next().await.unwrap().unwrap();
            store.finish(&lease, accepted()).await.unwrap();
            // Too late: it must leave nothing either.
            store.publish(&lease, Progress::Started { attempt: 2 });
        }
    };
    let no_jobs = async || {
        let start = Instant::now();
        while !server.keys("optimus:job:*").is_empty() {
            assert!(start.elapsed() < TIMEOUT, "jobs do not expire");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        store.wait_for_work(&python(), Duration::ZERO).await.unwrap();
        // Counts off the results that have expired.
        store.reap().await.unwrap();
        server.keys("*")
    };
    some_jobs(1).await;
    let keys = no_jobs().await;
    assert_eq!(keys, ["optimus:counters"]);
    let memory = used_memory(&server);
    some_jobs(100).await;
    assert_eq!(no_jobs().await, keys);
    // Buffers of connections go down only by and by.
    let start = Instant::now();
    while used_memory(&server) > memory + 10 * BYTES as u64 {
        assert!(
            start.elapsed() < TIMEOUT,
            "memory grew from {memory} to {}",
            used_memory(&server)
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
