//! Servers that die, connections that break, paths that swallow: nothing is lost, and all of it is got over without
//! opening the store anew.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use optimus_common::{JobId, job::JobStatus};
use optimus_queue::{
    EventBus, Finish, Followed, JobEvent, JobEvents, JobQueue, JobUpdate, Progress, Renewal, StoreError,
    Submitted, Upkeep,
    conformance::jobs::{TIMEOUT, accepted, claim, job_of, python, queue, status, submit, worker},
    redis::RedisStore,
    settings::RedisSettings,
};
use tokio::time;

use crate::{proxy::Proxy, server::RedisServer};

const DURABLE: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "always"];

/// Until the store answers again.
async fn recovered(store: &RedisStore) {
    let start = Instant::now();
    while store.ping().await.is_err() {
        assert!(start.elapsed() < TIMEOUT, "the store does not recover");
        time::sleep(Duration::from_millis(20)).await;
    }
}

/// Until events arrive again: cancels jobs until one is heard of.
async fn hears_again(store: &RedisStore, events: &mut JobEvents) {
    let start = Instant::now();
    loop {
        let id = submit(store).await;
        store.cancel(id).await.unwrap();
        match time::timeout(Duration::from_millis(200), events.next()).await {
            Ok(Some(JobEvent::Finished(_))) => return,
            other => assert!(start.elapsed() < TIMEOUT, "no events any more: {other:?}"),
        }
    }
}

/// A worker that goes on whatever the store answers, until this many jobs are over.
fn grade(store: Arc<RedisStore>, jobs: usize) -> tokio::task::JoinHandle<BTreeSet<JobId>> {
    tokio::spawn(async move {
        let mut graded = BTreeSet::new();
        let start = Instant::now();
        while graded.len() < jobs {
            assert!(
                start.elapsed() < TIMEOUT,
                "{} of {jobs} jobs are graded",
                graded.len()
            );
            match store.claim(&python(), &worker()).await {
                Ok(Some(claim)) => {
                    let finish = async || store.finish(&claim.lease, accepted()).await;
                    while finish().await.is_err() {
                        time::sleep(Duration::from_millis(10)).await;
                    }
                    graded.insert(claim.lease.job);
                }
                Ok(None) => {
                    let _ = store.wait_for_work(&python(), Duration::from_secs(1)).await;
                    let _ = store.reap().await;
                }
                Err(_) => time::sleep(Duration::from_millis(10)).await,
            }
        }
        graded
    })
}

/// Submits until it is told of success, as a client does.
async fn submit_until_accepted(store: &RedisStore) -> JobId {
    let job = job_of("pass");
    let start = Instant::now();
    loop {
        match store.submit(job.clone()).await {
            Ok(answer) => {
                assert_eq!(answer, Submitted::Created);
                return job.id;
            }
            Err(StoreError::Unavailable(_)) => time::sleep(Duration::from_millis(10)).await,
            Err(other) => panic!("{other:?}"),
        }
        assert!(start.elapsed() < TIMEOUT, "the store does not recover");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_subscription_is_told_of_and_a_follower_goes_on() {
    let server = RedisServer::start();
    let store = server.store(&queue()).await;
    submit(&*store).await;
    let (mut events, lease) = (store.subscribe(), claim(&*store).await.lease);
    let mut updates = store.follow(lease.job, 1).await.unwrap().unwrap();
    for attempt in 1..10 {
        let told = Progress::Started { attempt };
        store.publish(&lease, told.clone());
        let heard = time::timeout(TIMEOUT, updates.next()).await.expect("it is heard");
        let expected = Followed::Update {
            number: u64::from(attempt) + 1,
            update: JobUpdate::Progress(told),
        };
        assert_eq!(heard.unwrap().unwrap(), expected);
        let _: u32 = server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
        let heard = time::timeout(TIMEOUT, events.next())
            .await
            .expect("it is told of");
        assert_eq!(heard, Some(JobEvent::Missed));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_has_lost_nothing() {
    let server = RedisServer::start_with(&DURABLE);
    let store = server.store(&queue()).await;
    let mut events = store.subscribe();
    let (finished, running, queued) = (
        submit(&*store).await,
        submit(&*store).await,
        submit(&*store).await,
    );
    store
        .finish(&claim(&*store).await.lease, accepted())
        .await
        .unwrap();
    let lease = claim(&*store).await.lease;
    let waiting = {
        let store = store.clone();
        let never = "never".parse().unwrap();
        tokio::spawn(async move { store.wait_for_work(&never, Duration::from_hours(1)).await })
    };
    assert_eq!(events.next().await, Some(JobEvent::Finished(finished)));

    server.kill();
    assert!(matches!(
        store.submit(job_of("pass")).await,
        Err(StoreError::Unavailable(_))
    ));
    assert!(matches!(
        store.claim(&python(), &worker()).await,
        Err(StoreError::Unavailable(_))
    ));
    assert!(matches!(
        store.renew(&lease).await,
        Err(StoreError::Unavailable(_))
    ));
    let waited = time::timeout(TIMEOUT, waiting)
        .await
        .expect("a wait ends with its connection")
        .unwrap();
    assert!(matches!(waited, Err(StoreError::Unavailable(_)) | Ok(())));
    server.start_again();

    recovered(&store).await;
    // Whichever connection these take, none is still broken.
    for _ in 0..20 {
        assert_eq!(status(&*store, finished).await, JobStatus::Completed);
        assert_eq!(status(&*store, running).await, JobStatus::Running);
        assert_eq!(status(&*store, queued).await, JobStatus::Queued);
    }
    assert_eq!(store.renew(&lease).await.unwrap(), Renewal::Held);
    assert_eq!(store.finish(&lease, accepted()).await.unwrap(), Finish::Accepted);
    assert_eq!(claim(&*store).await.lease.job, queued);
    hears_again(&store, &mut events).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn work_goes_on_through_kills_of_the_server() {
    const JOBS: usize = 60;
    let server = RedisServer::start_with(&DURABLE);
    let mut settings = queue();
    settings.lease = Duration::from_secs(1);
    settings.retry_backoff = Duration::from_millis(10);
    settings.max_attempts = 100;
    let (api, worker) = (server.store(&settings).await, server.store(&settings).await);
    let grading = grade(worker.clone(), JOBS);
    let mut submitted = BTreeSet::new();
    for number in 0..JOBS {
        if number % 20 == 10 {
            server.kill();
            server.start_again();
        }
        submitted.insert(submit_until_accepted(&api).await);
    }
    // A finish whose answer was lost counts for the worker all the same: it was repeated and refused.
    assert_eq!(grading.await.unwrap(), submitted);
    for id in submitted {
        assert_eq!(status(&*api, id).await, JobStatus::Completed);
    }
    let totals = api.totals().await.unwrap();
    assert_eq!(
        (totals.finished.values().sum::<u64>(), totals.stored_bytes),
        (JOBS as u64, 0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn work_goes_on_through_kills_of_connections() {
    const JOBS: usize = 300;
    let server = RedisServer::start();
    let mut settings = queue();
    settings.lease = Duration::from_secs(1);
    settings.retry_backoff = Duration::from_millis(10);
    settings.max_attempts = 100;
    let (api, worker) = (server.store(&settings).await, server.store(&settings).await);
    let mut events = api.subscribe();
    let grading = grade(worker.clone(), JOBS);
    let mut submitted = BTreeSet::new();
    for number in 0..JOBS {
        if number % 30 == 10 {
            let _: u32 = server.command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
            let _: u32 = server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
        }
        submitted.insert(submit_until_accepted(&api).await);
    }
    assert_eq!(grading.await.unwrap(), submitted);
    for id in submitted {
        assert_eq!(status(&*api, id).await, JobStatus::Completed);
    }
    assert_eq!(api.totals().await.unwrap().stored_bytes, 0);
    while events.next().now_or_never().is_some() {}
    hears_again(&api, &mut events).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_swallows_everything_is_left_for_a_new_one() {
    let server = RedisServer::start();
    let proxy = Proxy::to(server.socket()).await;
    let settings = RedisSettings {
        url: proxy.url(),
        response_timeout: Duration::from_millis(300),
        connection_timeout: Duration::from_millis(300),
        ..server.settings()
    };
    let store = RedisStore::connect(&settings, &queue()).await.unwrap();
    let mut events = store.subscribe();
    let id = submit(&store).await;
    store
        .wait_for_work(&"never".parse().unwrap(), Duration::from_millis(1))
        .await
        .unwrap();

    proxy.swallow();
    assert!(matches!(store.get(id).await, Err(StoreError::Unavailable(_))));
    assert!(matches!(store.ping().await, Err(StoreError::Unavailable(_))));
    proxy.recover();

    recovered(&store).await;
    for _ in 0..20 {
        // Each connection that met the hole costs one call its time, and is replaced.
        let _ = store.get(id).await;
    }
    for _ in 0..20 {
        assert_eq!(status(&store, id).await, JobStatus::Queued);
    }
    let lease = claim(&store).await.lease;
    assert_eq!(store.renew(&lease).await.unwrap(), Renewal::Held);
    // The connection that waited before is dead as well, and found out when its time is over.
    let never = "never".parse().unwrap();
    let start = Instant::now();
    while store
        .wait_for_work(&never, Duration::from_millis(1))
        .await
        .is_err()
    {
        assert!(start.elapsed() < TIMEOUT, "waiting does not recover");
    }
    hears_again(&store, &mut events).await;
}
