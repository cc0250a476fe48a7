//! What is told of jobs: written where somebody follows them, once, and numbered for good.

use std::time::Duration;

use optimus_common::job::JobStatus;
use optimus_queue::{
    EventBus, Followed, JobQueue, JobUpdate, JobUpdates, KEPT_UPDATES, Lease, Progress,
    conformance::jobs::{TIMEOUT, accepted, claim, queue, submit},
    redis::RedisStore,
};
use tokio::time;

use crate::server::RedisServer;

/// It answers only when what it answers is on disk.
const DURABLE: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "always"];

fn started(attempt: u32) -> Progress {
    Progress::Started { attempt }
}

async fn under_way(store: &RedisStore) -> Lease {
    submit(store).await;
    claim(store).await.lease
}

async fn next(updates: &mut JobUpdates) -> Followed {
    time::timeout(TIMEOUT, updates.next())
        .await
        .expect("it is heard")
        .expect("the job is not over")
        .unwrap()
}

fn update(number: u64, update: JobUpdate) -> Followed {
    Followed::Update { number, update }
}

fn ended(number: u64) -> Followed {
    let status = JobStatus::Completed;
    update(number, JobUpdate::Ended { status })
}

async fn all(store: &RedisStore, lease: &Lease, after: u64) -> Vec<Followed> {
    let mut updates = store.follow(lease.job, after).await.unwrap().unwrap();
    let mut heard = Vec::new();
    while let Some(next) = time::timeout(TIMEOUT, updates.next()).await.expect("it ends") {
        heard.push(next.unwrap());
    }
    heard
}

#[tokio::test]
async fn what_nobody_follows_is_written_with_the_end_alone() {
    let server = RedisServer::start();
    let store = server.store(&queue()).await;
    let lease = under_way(&store).await;
    let before: Vec<String> = server.command(&["HKEYS", &format!("optimus:job:{}", lease.job)]);
    for attempt in 1..100 {
        store.publish(&lease, started(attempt));
    }
    let now: Vec<String> = server.command(&["HKEYS", &format!("optimus:job:{}", lease.job)]);
    assert_eq!(now, before);
    assert_eq!(server.keys("optimus:progress:*"), [""; 0]);
    let small = under_way(&store).await;
    (1..4).for_each(|attempt| store.publish(&small, started(attempt)));
    store.finish(&small, accepted()).await.unwrap();
    assert_eq!(
        server.keys("optimus:progress:*"),
        [""; 0],
        "it stays with the record"
    );
    assert_eq!(all(&store, &small, 0).await.len(), 5);
    store.finish(&lease, accepted()).await.unwrap();
    let last = format!("optimus:progress:{}:last", lease.job);
    assert_eq!(server.keys("optimus:progress:*"), [&*last]);
    let expires: i64 = server.command(&["PTTL", &last]);
    assert!((1..=30_000).contains(&expires), "{expires}");
    assert_eq!(all(&store, &lease, 0).await.len(), 101);
}

#[tokio::test]
async fn a_record_says_its_owner_only_where_that_is_another() {
    let server = RedisServer::start();
    let store = server.store(&queue()).await;
    let id = submit(&*store).await;
    let owner: Option<String> = server.command(&["HGET", &format!("optimus:job:{id}"), "owner"]);
    assert_eq!(owner, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_while_the_server_is_away_arrives_when_it_is_back() {
    let server = RedisServer::start_with(&DURABLE);
    let store = server.store(&queue()).await;
    let lease = under_way(&store).await;
    let mut updates = store.follow(lease.job, 1).await.unwrap().unwrap();
    store.publish(&lease, started(1));
    assert_eq!(
        next(&mut updates).await,
        update(2, JobUpdate::Progress(started(1)))
    );
    drop(updates);
    server.kill();
    store.publish(&lease, started(2));
    server.start_again();
    let mut updates = loop {
        if let Ok(Some(updates)) = store.follow(lease.job, 2).await {
            break updates;
        }
        time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(
        next(&mut updates).await,
        update(3, JobUpdate::Progress(started(2)))
    );
    store.finish(&lease, accepted()).await.unwrap();
    assert_eq!(next(&mut updates).await, ended(4));
}

/// A command whose connection breaks is sent again, and nobody knows whether it was carried out.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_again_is_told_once() {
    const TOLD: u32 = 400;
    let server = RedisServer::start();
    let store = server.store(&queue()).await;
    let lease = under_way(&store).await;
    let mut updates = store.follow(lease.job, 1).await.unwrap().unwrap();
    for attempt in 1..=TOLD {
        store.publish(&lease, started(attempt));
        if attempt % 20 == 0 {
            let _: u32 = server.command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
        }
        time::sleep(Duration::from_millis(1)).await;
    }
    let mut number = 1;
    while number <= u64::from(TOLD) {
        let Some(Ok(heard)) = time::timeout(TIMEOUT, updates.next()).await.expect("it is heard") else {
            // The connection broke while it was read.
            updates = loop {
                if let Ok(Some(updates)) = store.follow(lease.job, number).await {
                    break updates;
                }
            };
            continue;
        };
        let attempt = u32::try_from(number).unwrap();
        number += 1;
        assert_eq!(heard, update(number, JobUpdate::Progress(started(attempt))));
    }
}

#[tokio::test]
async fn an_end_has_its_number_for_as_long_as_the_job_is_known() {
    let server = RedisServer::start();
    let store = server.store(&queue()).await;
    for is_followed in [false, true] {
        let lease = under_way(&store).await;
        let mut updates = None;
        if is_followed {
            updates = store.follow(lease.job, 1).await.unwrap();
        }
        store.publish(&lease, started(1));
        if let Some(updates) = &mut updates {
            next(updates).await;
        }
        store.publish(&lease, started(2));
        store.finish(&lease, accepted()).await.unwrap();
        for key in server.keys("optimus:progress:*") {
            let _: u32 = server.command(&["DEL", &key]);
        }
        let _: u32 = server.command(&["HDEL", &format!("optimus:job:{}", lease.job), "last"]);
        for after in [1, 2] {
            assert_eq!(all(&store, &lease, after).await, [Followed::Missed, ended(4)]);
        }
        assert_eq!(
            all(&store, &lease, 3).await,
            [ended(4)],
            "who has all but the end hears that"
        );
        let over = store.follow(lease.job, 4).await.unwrap().unwrap();
        assert!(over.has_heard_all());
    }
}

#[tokio::test]
async fn numbers_go_on_where_what_was_written_is_gone() {
    let server = RedisServer::start();
    let store = server.store(&queue()).await;
    let lease = under_way(&store).await;
    let mut updates = store.follow(lease.job, 1).await.unwrap().unwrap();
    for attempt in 1..=3 {
        store.publish(&lease, started(attempt));
        next(&mut updates).await;
    }
    // As after an hour in which nothing was told.
    let _: u32 = server.command(&["DEL", &format!("optimus:progress:{}", lease.job)]);
    store.publish(&lease, started(4));
    assert_eq!(
        next(&mut updates).await,
        update(5, JobUpdate::Progress(started(4)))
    );
    let mut late = store.follow(lease.job, 2).await.unwrap().unwrap();
    assert_eq!(next(&mut late).await, Followed::Missed);
    assert_eq!(next(&mut late).await, update(5, JobUpdate::Progress(started(4))));
}

#[tokio::test]
async fn what_a_release_tells_that_tells_other_things_is_missing() {
    let server = RedisServer::start();
    let store = server.store(&queue()).await;
    let lease = under_way(&store).await;
    let mut updates = store.follow(lease.job, 1).await.unwrap().unwrap();
    let stream = format!("optimus:progress:{}", lease.job);
    let told = r#"[{"progress":"started","attempt":1},{"progress":"moved","to":"elsewhere"}]"#;
    let _: String = server.command(&["XADD", &stream, "3-0", "json", told]);
    let job = format!("optimus:job:{}", lease.job);
    let _: u32 = server.command(&["HSET", &job, "told", &format!("3 {} 2", lease.token.0)]);
    let _: u32 = server.command(&["PUBLISH", &stream, ""]);
    assert_eq!(
        next(&mut updates).await,
        update(2, JobUpdate::Progress(started(1)))
    );
    assert_eq!(next(&mut updates).await, Followed::Missed);
    for attempt in 3..5 {
        store.publish(&lease, started(attempt));
    }
    // Two under this token are known, so these are the same ones again.
    store.publish(&lease, started(5));
    assert_eq!(
        next(&mut updates).await,
        update(4, JobUpdate::Progress(started(5)))
    );
}

#[tokio::test]
async fn many_updates_before_the_end_are_read_in_their_order() {
    let server = RedisServer::start();
    let store = server.store(&queue()).await;
    let lease = under_way(&store).await;
    let mut updates = store.follow(lease.job, 1).await.unwrap().unwrap();
    let most = u32::try_from(KEPT_UPDATES).unwrap();
    // One entry for each, as long as each is heard before the next is told.
    for attempt in 1..=most / 2 {
        store.publish(&lease, started(attempt));
        next(&mut updates).await;
    }
    for attempt in most / 2 + 1..=most {
        store.publish(&lease, started(attempt));
    }
    store.finish(&lease, accepted()).await.unwrap();
    let heard = all(&store, &lease, 1).await;
    let expected: Vec<_> = (1..=most)
        .map(|attempt| update(u64::from(attempt) + 1, JobUpdate::Progress(started(attempt))))
        .chain([ended(u64::from(most) + 2)])
        .collect();
    assert_eq!(heard, expected);
}
