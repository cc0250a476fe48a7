//! Content in Redis.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use optimus_common::{JobId, content::Digest};
use optimus_content::{
    ContentError, ContentStore, Holders, Rules,
    conformance::{Damage, StoreFactory},
};
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

    async fn damage(&self, digest: Digest, damage: Damage) {
        let key = format!("optimus:content:data:{digest}");
        let _: i64 = match damage {
            Damage::Changed => self.0.command(&["SETRANGE", &key, "7", "another"]),
            // As by an evicting policy.
            Damage::CutOff => self.0.command(&["DEL", &key]),
        };
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
    store.hold(JobId::new(), &[digest], u64::MAX).await.unwrap();
    server.kill();
    assert!(matches!(
        store.renew(&[digest]).await.unwrap_err(),
        ContentError::Unavailable(_)
    ));
    server.start_again();
    assert_eq!(store.renew(&[digest]).await.unwrap(), [Some(3 << 20)]);
    let content = store.get(digest).await.unwrap().unwrap();
    assert!(content.into_bytes(3 << 20).await.unwrap()[..] == vec![7; 3 << 20]);
    let held: u64 = server.command(&["HLEN", "optimus:content:held_by"]);
    assert_eq!(held, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn content_that_was_cut_off_is_put_anew() {
    let server = RedisServer::start();
    let store = RedisContent::open(&server.settings(), rules()).unwrap();
    let digest = put(&store, b"what was stored").await;
    let _: String = server.command(&["SET", &format!("optimus:content:data:{digest}"), "what"]);
    let content = store.get(digest).await.unwrap().unwrap();
    let error = content.into_bytes(100).await.unwrap_err();
    assert!(
        matches!(error, ContentError::Damaged(damaged) if damaged == digest),
        "{error:?}"
    );
    put(&store, b"what was stored").await;
    let _: String = server.command(&["SET", &format!("optimus:content:data:{digest}"), "what"]);
    assert_eq!(store.renew(&[digest]).await.unwrap(), [None]);
    put(&store, b"what was stored").await;
    let bytes: i64 = server.command(&["HGET", "optimus:content:totals", "bytes"]);
    assert_eq!(bytes, 512 + 15, "what is lost takes no room");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_evicts_is_refused() {
    let server = RedisServer::start();
    RedisContent::connect(&server.settings(), rules()).await.unwrap();
    let _: String = server.command(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    let refused = RedisContent::connect(&server.settings(), rules())
        .await
        .unwrap_err();
    assert!(
        matches!(&refused, ContentError::Misconfigured(why) if why.contains("maxmemory-policy")),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_job_holds_up_no_upkeep() {
    struct AllOver;
    #[async_trait]
    impl Holders for AllOver {
        async fn is_over(&self, _: JobId) -> Result<bool, Box<dyn std::error::Error + Send + Sync>> {
            Ok(true)
        }
    }
    let server = RedisServer::start();
    let hasty = Rules {
        min_kept: Duration::ZERO,
        ..rules()
    };
    let store = RedisContent::open(&server.settings(), hasty).unwrap();
    let digest = put(&store, b"what was stored").await;
    let _: i64 = server.command(&["ZADD", "optimus:content:holds", "1", "stray"]);
    store.hold(JobId::new(), &[digest], u64::MAX).await.unwrap();
    assert_eq!(store.upkeep(&AllOver).await.unwrap().released, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_memory_has_no_room() {
    let server = RedisServer::start();
    let store = RedisContent::open(&server.settings(), rules()).unwrap();
    let there = put(&store, b"small").await;
    store.identity().await.unwrap();
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
    assert_eq!(store.renew(&[there]).await.unwrap(), [Some(5)]);
    assert!(store.get(there).await.unwrap().is_some());
    store.identity().await.unwrap();
}
