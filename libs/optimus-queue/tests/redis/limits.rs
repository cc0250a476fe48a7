//! What is asked of a server, what it may refuse, and how large things may become.

use std::time::{Duration, Instant};

use optimus_common::{
    JobId,
    job::{JobStatus, Outcome, Priority},
    result::{JobResult, OverallStatus, TestResult, Verdict},
};
use optimus_queue::{
    Cancel, Finish, JobQueue, NewJob, Renewal, Retry, StoreError, Submitted, Upkeep, WorkerInfo,
    WorkerRegistry, bench,
    conformance::jobs::{TIMEOUT, accepted, claim, job_of, python, queue, status, submit, worker},
    redis::RedisStore,
    settings::{QueueSettings, RedisSettings},
};

use crate::server::RedisServer;

#[tokio::test]
async fn a_server_that_evicts_keys_is_refused() {
    let server = RedisServer::start_with(&["--maxmemory-policy", "volatile-lru"]);
    match RedisStore::connect(&server.settings(), &queue()).await {
        Err(StoreError::Misconfigured(why)) => {
            assert!(why.contains("volatile-lru") && why.contains("noeviction"));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_server_without_config_and_info_is_taken() {
    for arguments in [
        &["--rename-command", "CONFIG", ""][..],
        &[
            "--user", "default", "on", "nopass", "~*", "&*", "+@all", "-info", "-config",
        ][..],
    ] {
        let server = RedisServer::start_with(arguments);
        let store = server.store(&queue()).await;
        let id = submit(&*store).await;
        assert_eq!(claim(&*store).await.lease.job, id);
    }
}

#[tokio::test]
async fn a_server_out_of_reach_is_unavailable() {
    let server = RedisServer::start();
    let settings = server.settings();
    drop(server);
    assert!(matches!(
        RedisStore::connect(&settings, &queue()).await,
        Err(StoreError::Unavailable(_))
    ));
}

#[tokio::test]
async fn an_address_that_is_none_is_a_wrong_setting() {
    let settings = RedisSettings {
        url: "redis//:secret".to_owned(),
        ..optimus_settings::defaults_of::<RedisSettings>("redis")
    };
    match RedisStore::connect(&settings, &queue()).await {
        Err(StoreError::Misconfigured(why)) => {
            assert!(why.contains("redis.url") && !why.contains("secret"), "{why}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn waiting_jobs_can_be_inspected() {
    let server = RedisServer::start();
    let store = server.store(&queue()).await;
    let mut submitted = Vec::new();
    for _ in 0..3 {
        submitted.push(submit(&*store).await.to_string());
    }
    let mut urgent = job_of("pass");
    urgent.submission.priority = Priority::Interactive;
    store.submit(urgent.clone()).await.unwrap();
    assert_eq!(server.command::<u32>(&["LLEN", "optimus:queue:python"]), 3);
    assert_eq!(
        server.command::<Vec<String>>(&["LRANGE", "optimus:queue:python", "0", "-1"]),
        submitted
    );
    let interactive: Vec<String> = server.command(&["LRANGE", "optimus:queue:python:interactive", "0", "-1"]);
    assert_eq!(interactive, [urgent.id.to_string()]);
}

#[tokio::test]
async fn jobs_drain_from_a_server_whose_memory_is_full() {
    let server = RedisServer::start();
    let store = server
        .store(&QueueSettings {
            retry_backoff: Duration::ZERO,
            max_attempts: 2,
            ..queue()
        })
        .await;
    let mut ids = vec![submit(&*store).await];
    let early = claim(&*store).await.lease;
    for _ in 0..100 {
        let job = job_of(&"x".repeat(100_000));
        ids.push(job.id);
        assert_eq!(store.submit(job).await.unwrap(), Submitted::Created);
    }
    // Less than the waiting jobs take.
    let _: String = server.command(&["CONFIG", "SET", "maxmemory", "6mb"]);
    for _ in 0..3 {
        let job = job_of("pass");
        let id = job.id;
        assert!(matches!(store.submit(job).await, Err(StoreError::Unavailable(_))));
        assert_eq!(store.get(id).await.unwrap(), None, "nothing of it is kept");
    }

    assert_eq!(store.renew(&early).await.unwrap(), Renewal::Held);
    store
        .heartbeat(&WorkerInfo {
            id: worker(),
            host: "h".to_owned(),
            pools: Vec::new(),
            content: None,
        })
        .await
        .unwrap();
    assert_eq!(store.workers().await.unwrap().len(), 1);
    store.wait_for_work(&python(), Duration::ZERO).await.unwrap();
    assert_eq!(store.release(&early).await.unwrap(), Finish::Accepted);
    assert_eq!(
        store.retry(&claim(&*store).await.lease, "x").await.unwrap(),
        Retry::Requeued
    );
    let lease = claim(&*store).await.lease;
    assert_eq!(store.cancel(lease.job).await.unwrap(), Cancel::Requested);
    assert_eq!(store.finish(&lease, accepted()).await.unwrap(), Finish::Accepted);
    let last = *ids.last().unwrap();
    assert_eq!(store.cancel(last).await.unwrap(), Cancel::Cancelled);
    store.reap().await.unwrap();
    store.audit().await.unwrap();
    while let Some(claim) = store.claim(&python(), &worker()).await.unwrap() {
        assert_eq!(
            store.finish(&claim.lease, accepted()).await.unwrap(),
            Finish::Accepted
        );
    }
    for id in &ids {
        let expected = if *id == last {
            JobStatus::Cancelled
        } else {
            JobStatus::Completed
        };
        assert_eq!(status(&*store, *id).await, expected);
    }
    let start = Instant::now();
    while store.submit(job_of("pass")).await.is_err() {
        assert!(
            start.elapsed() < TIMEOUT,
            "a server with room again takes no jobs"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_result_of_absurd_size_fails_its_job() {
    let server = RedisServer::start();
    let store = server.store(&queue()).await;
    let id = submit(&*store).await;
    let lease = claim(&*store).await.lease;
    let test = TestResult {
        test_id: 1,
        passed: true,
        verdict: Verdict::Accepted,
        stdout: "x".repeat(65 << 20),
        stderr: String::new(),
        stdout_base64: None,
        stderr_base64: None,
        execution_time_ms: 1,
        cpu_time_ms: 1,
        peak_memory_bytes: 1,
        exit_code: Some(0),
        signal: None,
        stdout_truncated: false,
        stderr_truncated: false,
        message: None,
        evidence: None,
    };
    let result = JobResult {
        test_results: vec![test],
        ..JobResult::not_graded(OverallStatus::Success, Verdict::Accepted, 1)
    };
    assert_eq!(
        store.finish(&lease, Outcome::Completed(result)).await.unwrap(),
        Finish::Accepted
    );
    let record = store.get(id).await.unwrap().unwrap();
    assert_eq!(record.status, JobStatus::Failed);
    assert!(record.error.unwrap().contains("result"));
    assert_eq!(record.result.unwrap().verdict, Verdict::InternalError);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_benchmark_measures_and_leaves_nothing() {
    let server = RedisServer::start();
    let plan = bench::Plan {
        jobs: 200,
        callers: 8,
        pickups: 10,
    };
    let report = bench::run(&server.settings(), &queue(), plan).await.unwrap();
    assert!(
        report.submits_per_second > 0.0 && report.claims_and_finishes_per_second > 0.0,
        "{report:?}"
    );
    assert!(
        report.pickup_p50_ms > 0.0 && report.pickup_p50_ms <= report.pickup_p99_ms,
        "{report:?}"
    );
    assert_eq!(server.keys("*"), [""; 0]);
}

#[tokio::test]
async fn stores_of_other_prefixes_do_not_meet() {
    let server = RedisServer::start();
    let open = async |prefix| {
        RedisStore::connect_with_prefix(&server.settings(), &queue(), prefix)
            .await
            .unwrap()
    };
    let (one, other) = (open("one").await, open("other").await);
    let job = NewJob {
        id: JobId::new(),
        ..job_of("pass")
    };
    one.submit(job.clone()).await.unwrap();
    assert_eq!(other.get(job.id).await.unwrap(), None);
    assert!(other.claim(&python(), &worker()).await.unwrap().is_none());
    assert!(server.keys("*").iter().all(|key| key.starts_with("one:")));
}
