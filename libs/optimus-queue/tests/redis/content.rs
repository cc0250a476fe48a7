//! Content in Redis.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use optimus_common::{JobId, content::Digest};
use optimus_content::{ContentError, ContentStore, Rules, conformance::StoreFactory};
use optimus_queue::redis::RedisContent;
use sha2::{Digest as _, Sha256};

use crate::server::RedisServer;

struct Factory(RedisServer);

#[async_trait]
impl StoreFactory for Factory {
    async fn open(&self, rules: Rules) -> Arc<dyn ContentStore> {
        Arc::new(RedisContent::open(&self.0.settings(), rules).unwrap())
    }

    fn tick(&self) -> Duration {
        Duration::from_millis(40)
    }

    fn beside(&self) -> u64 {
        512
    }
}

mod conformance {
    optimus_content::content_conformance_tests!(crate::content::Factory(crate::server::RedisServer::start()));
}

fn rules() -> Rules {
    Rules {
        max_bytes: 8 << 20,
        max_total_bytes: 16 << 20,
        retention: Duration::from_hours(1),
        min_kept: Duration::from_hours(1),
    }
}

fn digest_of(bytes: &[u8]) -> Digest {
    Digest::from(<[u8; 32]>::from(Sha256::digest(bytes)))
}

async fn put(store: &RedisContent, bytes: &[u8]) -> Digest {
    let digest = digest_of(bytes);
    let mut incoming = store.begin(digest).await.unwrap();
    incoming.write(Bytes::copy_from_slice(bytes)).await.unwrap();
    incoming.finish().await.unwrap();
    digest
}

#[tokio::test(flavor = "multi_thread")]
async fn content_and_holds_survive_a_crash() {
    let server = RedisServer::start_with(&["--appendonly", "yes", "--appendfsync", "always"]);
    let store = RedisContent::open(&server.settings(), rules()).unwrap();
    let digest = put(&store, &vec![7; 3 << 20]).await;
    store.hold(JobId::new(), &[digest]).await.unwrap();
    server.kill();
    assert!(matches!(
        store.renew(&[digest]).await.unwrap_err(),
        ContentError::Unavailable(_)
    ));
    server.start_again();
    assert_eq!(store.renew(&[digest]).await.unwrap(), [Some(3 << 20)]);
    let content = store.get(digest).await.unwrap().unwrap();
    assert!(content.into_bytes().await.unwrap() == vec![7; 3 << 20]);
    let held: u64 = server.command(&["HLEN", "optimus:content:held_by"]);
    assert_eq!(held, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_content_is_not_handed_out() {
    let server = RedisServer::start();
    let store = RedisContent::open(&server.settings(), rules()).unwrap();
    let digest = put(&store, b"what was stored").await;
    let key = format!("optimus:content:data:{digest}");
    let _: u64 = server.command(&["SETRANGE", &key, "3", "X"]);
    let content = store.get(digest).await.unwrap().unwrap();
    let error = content.into_bytes().await.unwrap_err();
    assert!(
        matches!(error, ContentError::Damaged(damaged) if damaged == digest),
        "{error:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_memory_has_no_room() {
    let server = RedisServer::start();
    let store = RedisContent::open(&server.settings(), rules()).unwrap();
    let there = put(&store, b"small").await;
    let _: String = server.command(&["CONFIG", "SET", "maxmemory", "1"]);
    let bytes = vec![1; 2 << 20];
    let mut incoming = store.begin(digest_of(&bytes)).await;
    if let Ok(incoming) = &mut incoming {
        let refused = incoming.write(Bytes::copy_from_slice(&bytes)).await.unwrap_err();
        assert!(matches!(refused, ContentError::NoRoom), "{refused:?}");
    } else {
        let refused = incoming.unwrap_err();
        assert!(matches!(refused, ContentError::NoRoom), "{refused:?}");
    }
    // What drains a store goes on.
    store.release(JobId::new()).await.unwrap();
    store.forget(there).await.unwrap();
}
