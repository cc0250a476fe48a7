//! A Redis of the test's own.

use std::{
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use async_trait::async_trait;
use optimus_queue::{
    JobStore,
    conformance::StoreFactory,
    redis::RedisStore,
    settings::{QueueSettings, RedisSettings},
};
use optimus_testkit::redis_socket::SocketRedis;
use tempfile::TempDir;

/// A server in a folder of its own; both are gone when it is dropped.
pub(crate) struct RedisServer {
    redis: SocketRedis,
    stores: AtomicU32,
    _folder: TempDir,
}

impl RedisServer {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    pub(crate) fn start_with(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        Self {
            redis: SocketRedis::start(folder.path(), arguments),
            stores: AtomicU32::new(0),
            _folder: folder,
        }
    }

    pub(crate) fn settings(&self) -> RedisSettings {
        RedisSettings {
            url: format!("unix://{}", self.socket().display()),
            ..optimus_settings::defaults_of::<RedisSettings>("redis")
        }
    }

    /// A command as a person would give it.
    pub(crate) fn command<T: redis::FromRedisValue>(&self, words: &[&str]) -> T {
        let mut connection = redis::Client::open(self.settings().url)
            .unwrap()
            .get_connection()
            .unwrap();
        redis::cmd(words[0])
            .arg(&words[1..])
            .query(&mut connection)
            .unwrap()
    }

    /// Keys, sorted.
    pub(crate) fn keys(&self, pattern: &str) -> Vec<String> {
        let mut keys: Vec<String> = self.command(&["KEYS", pattern]);
        keys.sort_unstable();
        keys
    }

    pub(crate) async fn store(&self, queue: &QueueSettings) -> Arc<RedisStore> {
        Arc::new(
            RedisStore::connect(&self.settings(), queue)
                .await
                .expect("a store"),
        )
    }
}

impl Deref for RedisServer {
    type Target = SocketRedis;

    fn deref(&self) -> &SocketRedis {
        &self.redis
    }
}

#[async_trait]
impl StoreFactory for RedisServer {
    async fn open(&self, queue: &QueueSettings) -> Arc<dyn JobStore> {
        let prefix = format!("store-{}", self.stores.fetch_add(1, Ordering::Relaxed));
        Arc::new(
            RedisStore::connect_with_prefix(&self.settings(), queue, &prefix)
                .await
                .expect("a store"),
        )
    }
}
