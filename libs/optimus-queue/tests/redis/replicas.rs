//! What the replicas of a server must have before anybody is told of it.

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use optimus_common::job::JobStatus;
use optimus_queue::{
    Finish, JobQueue, StoreError, Submitted,
    conformance::jobs::{TIMEOUT, accepted, claim, job_of, queue, status, submit},
    redis::RedisStore,
    settings::RedisSettings,
};
use rustix::process::Signal;

use crate::server::RedisServer;

/// A server that others can follow, and its port.
fn master() -> (RedisServer, String) {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port().to_string();
    drop(free);
    // A replica is sent everything at once, and says often how far it is.
    let quick = [
        "--repl-diskless-sync-delay",
        "0",
        "--repl-ping-replica-period",
        "1",
    ];
    let server = RedisServer::start_with(&[&["--port", &port][..], &quick].concat());
    (server, port)
}

/// A replica that has everything its master has and says so: one that is only told of as `online` sends its first
/// acknowledgement up to a second later.
async fn replica_of(master: &RedisServer, port: &str) -> RedisServer {
    let replica = RedisServer::start_with(&["--replicaof", "127.0.0.1", port]);
    let start = Instant::now();
    loop {
        let info = master.command::<String>(&["INFO", "replication"]);
        if info.contains("state=online") && !info.contains("offset=0,") {
            break;
        }
        assert!(start.elapsed() < TIMEOUT, "the replica does not follow");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    replica
}

async fn store_of(master: &RedisServer) -> RedisStore {
    let settings = RedisSettings {
        replicas: 1,
        // The replicas get half of it, on a machine that does other things too.
        response_timeout: Duration::from_secs(6),
        ..master.settings()
    };
    RedisStore::connect(&settings, &queue()).await.unwrap()
}

fn assert_too_few<T: std::fmt::Debug>(answer: Result<T, StoreError>) {
    let Err(StoreError::Unavailable(cause)) = answer else {
        panic!("{answer:?}");
    };
    assert!(cause.to_string().contains("0 of 1 replicas"), "{cause}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_replica_has_is_not_accepted_however_often_it_is_sent() {
    let (master, port) = master();
    let store = store_of(&master).await;
    let job = job_of("pass");
    for _ in 0..2 {
        assert_too_few(store.submit(job.clone()).await);
    }
    let replica = replica_of(&master, &port).await;
    assert_eq!(store.submit(job.clone()).await.unwrap(), Submitted::Created);
    let key = format!("optimus:job:{}", job.id);
    assert_eq!(replica.keys("optimus:job:*"), [key]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_is_not_told_before_a_replica_knows_of_it() {
    let (master, port) = master();
    let replica = replica_of(&master, &port).await;
    let store = store_of(&master).await;
    let (first, second) = (submit(&store).await, submit(&store).await);
    let lease = claim(&store).await.lease;

    replica.signal(Signal::STOP);
    assert_too_few(store.finish(&lease, accepted()).await);
    assert_too_few(store.get(first).await);
    assert_eq!(
        status(&store, second).await,
        JobStatus::Queued,
        "nothing is told that may be lost"
    );
    replica.signal(Signal::CONT);

    assert_eq!(status(&store, first).await, JobStatus::Completed);
    assert_eq!(
        store.finish(&lease, accepted()).await.unwrap(),
        Finish::Accepted,
        "whoever finished it hears so as soon as a replica knows"
    );
}
