//! Records of other releases.

use std::{collections::BTreeMap, time::Duration};

use optimus_common::{JobId, job::JobStatus};
use optimus_queue::{
    Audited, Finish, JobQueue, RECORD_VERSION, Reaped, StoreError, Upkeep, WorkerRegistry,
    conformance::jobs::{accepted, claim, python, queue, status, submit, worker},
    redis::RedisStore,
    settings::QueueSettings,
};

use crate::server::RedisServer;

fn record(server: &RedisServer, id: JobId) -> BTreeMap<String, String> {
    server.command(&["HGETALL", &format!("optimus:job:{id}")])
}

fn set(server: &RedisServer, id: JobId, field: &str, value: &str) {
    let _: u32 = server.command(&["HSET", &format!("optimus:job:{id}"), field, value]);
}

/// As a newer release might write it.
fn make_newer(server: &RedisServer, id: JobId) -> BTreeMap<String, String> {
    set(server, id, "version", &(RECORD_VERSION + 1).to_string());
    set(server, id, "submission", "sealed");
    record(server, id)
}

async fn refused(store: &RedisStore, id: JobId) {
    let is_newer = |error: &StoreError| matches!(error, StoreError::NewerRecord { job, version } if *job == id && *version == RECORD_VERSION + 1);
    let looked_up = store.lookup(id).await.unwrap_err();
    assert!(is_newer(&looked_up), "{looked_up}");
    assert!(looked_up.to_string().contains("newer release"), "{looked_up}");
    let cancelled = store.cancel(id).await.unwrap_err();
    assert!(is_newer(&cancelled), "{cancelled}");
    let claimed = store.claim(&python(), &worker()).await.unwrap_err();
    assert!(is_newer(&claimed), "{claimed}");
}

#[tokio::test]
async fn what_is_written_says_its_version() {
    let server = RedisServer::start();
    let store = server.store(&queue()).await;
    let id = submit(&*store).await;
    let version: String = server.command(&["HGET", &format!("optimus:job:{id}"), "version"]);
    assert_eq!(version, RECORD_VERSION.to_string());
}

#[tokio::test]
async fn a_waiting_job_of_a_newer_release_is_left_in_its_place_and_holds_up_nobody() {
    let server = RedisServer::start();
    let store = server.store(&queue()).await;
    let (first, second) = (submit(&*store).await, submit(&*store).await);
    let own = submit(&*store).await;
    let before = [first, second].map(|id| make_newer(&server, id));
    assert_eq!(claim(&*store).await.lease.job, own);
    refused(&store, first).await;
    assert_eq!(store.audit().await.unwrap(), Audited::default());
    let waiting: Vec<String> = server.command(&["LRANGE", "optimus:queue:python", "0", "-1"]);
    assert_eq!(
        waiting,
        [first, second].map(|id| id.to_string()),
        "in their order"
    );
    assert_eq!([first, second].map(|id| record(&server, id)), before);
}

fn without_backoff() -> QueueSettings {
    QueueSettings {
        retry_backoff: Duration::ZERO,
        ..queue()
    }
}

#[tokio::test]
async fn a_delayed_job_of_a_newer_release_is_left_in_its_place() {
    let server = RedisServer::start();
    let store = server.store(&without_backoff()).await;
    let id = submit(&*store).await;
    store.retry(&claim(&*store).await.lease, "x").await.unwrap();
    let before = make_newer(&server, id);
    refused(&store, id).await;
    let delayed: Vec<String> = server.command(&["ZRANGE", "optimus:delayed:python", "0", "-1"]);
    assert_eq!(delayed, [id.to_string()]);
    assert_eq!(record(&server, id), before);
}

/// More than one look goes through.
const MANY: usize = 700;

/// So many jobs of a newer release, in place of those of ours that are in that list.
fn replace_by_newer(server: &RedisServer, key: &str, add: &[&str], count: usize) -> Vec<String> {
    let _: u32 = server.command(&["DEL", key]);
    let ids: Vec<_> = (0..count).map(|_| JobId::new().to_string()).collect();
    for id in &ids {
        let version = (RECORD_VERSION + 1).to_string();
        let fields = [
            "status", "queued", "priority", "normal", "created", "1", "version", &version,
        ];
        let job = format!("optimus:job:{id}");
        let _: u32 = server.command(&[&["HSET", &job][..], &fields].concat());
        let _: u32 = server.command(&[&[add[0], key][..], &add[1..], &[id]].concat());
    }
    ids
}

#[tokio::test]
async fn jobs_of_a_newer_release_hide_none_of_ours_however_many_wait() {
    let server = RedisServer::start();
    let store = server.store(&queue()).await;
    let list = "optimus:queue:python";
    let newer = replace_by_newer(&server, list, &["RPUSH"], MANY);
    let own = [submit(&*store).await, submit(&*store).await];
    for id in own {
        assert_eq!(claim(&*store).await.lease.job, id);
    }
    let claimed = store.claim(&python(), &worker()).await.unwrap_err();
    assert!(matches!(claimed, StoreError::NewerRecord { .. }), "{claimed}");
    let waiting: Vec<String> = server.command(&["LRANGE", list, "0", "-1"]);
    assert!(waiting == newer, "in their order");
}

#[tokio::test]
async fn delayed_jobs_of_a_newer_release_hide_none_of_ours_however_many_are_due() {
    let server = RedisServer::start();
    let store = server.store(&without_backoff()).await;
    let delayed = "optimus:delayed:python";
    let newer = replace_by_newer(&server, delayed, &["ZADD", "1"], MANY);
    let own = [submit(&*store).await, submit(&*store).await];
    let leases = [claim(&*store).await.lease, claim(&*store).await.lease];
    for lease in leases {
        store.retry(&lease, "x").await.unwrap();
    }
    for id in own {
        assert_eq!(claim(&*store).await.lease.job, id, "in their order");
    }
    let claimed = store.claim(&python(), &worker()).await.unwrap_err();
    assert!(matches!(claimed, StoreError::NewerRecord { .. }), "{claimed}");
    let left: Vec<String> = server.command(&["ZRANGE", delayed, "0", "-1"]);
    assert_eq!(left.len(), newer.len(), "they are left where they are");
}

#[tokio::test]
async fn running_jobs_of_a_newer_release_are_reaped_by_that_alone() {
    // More than one pass of a reap looks at.
    const NEWER: usize = 150;
    let server = RedisServer::start();
    let store = server
        .store(&QueueSettings {
            lease: Duration::ZERO,
            ..queue()
        })
        .await;
    let mut newer = Vec::new();
    for _ in 0..NEWER {
        newer.push(submit(&*store).await);
        claim(&*store).await;
    }
    for id in &newer {
        make_newer(&server, *id);
    }
    let before = record(&server, newer[0]);
    let own = submit(&*store).await;
    claim(&*store).await;
    assert_eq!(store.reap().await.unwrap(), Reaped { requeued: 1, dead: 0 });
    assert_eq!(store.reap().await.unwrap(), Reaped::default());
    assert_eq!(status(&*store, own).await, JobStatus::Queued);
    let running: usize = server.command(&["ZCARD", "optimus:running:python"]);
    assert_eq!(running, NEWER);
    let _: u32 = server.command(&["ZREM", "optimus:running:python", &newer[0].to_string()]);
    assert_eq!(store.audit().await.unwrap(), Audited::default());
    assert_eq!(record(&server, newer[0]), before);
}

#[tokio::test]
async fn a_worker_that_says_other_things_is_known() {
    let server = RedisServer::start();
    let store = server.store(&queue()).await;
    let (seconds, _): (u64, u64) = server.command(&["TIME"]);
    let said = format!(r#"{seconds}000 {{"id":"newer","pools":"many"}}"#);
    let _: u32 = server.command(&["HSET", "optimus:workers", "newer", &said]);
    let known = store.workers().await.unwrap();
    let [known] = &known[..] else { panic!("{known:?}") };
    assert_eq!(
        known.id,
        "newer".to_owned().into(),
        "else its boxes would be taken for nobody's"
    );
    assert_eq!(known.pools, []);
}

#[tokio::test]
async fn a_job_of_the_release_without_versions_is_worked_off() {
    let server = RedisServer::start();
    let store = server.store(&queue()).await;
    let id = submit(&*store).await;
    let _: u32 = server.command(&["HDEL", &format!("optimus:job:{id}"), "version", "owner"]);
    let claim = claim(&*store).await;
    assert_eq!(claim.context, optimus_common::job::JobContext::default());
    assert_eq!(
        store.finish(&claim.lease, accepted()).await.unwrap(),
        Finish::Accepted
    );
    assert_eq!(status(&*store, id).await, JobStatus::Completed);
}
