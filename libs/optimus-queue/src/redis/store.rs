//! The store as a whole: its parts, and how they are asked.

use std::sync::Arc;

use optimus_common::LanguageName;
use redis::{Cmd, FromRedisValue, Script};

use super::{
    arguments::millis,
    connection::{Connections, unavailable},
    events::Feed,
    keys::Keys,
    publisher::{Publisher, UnwrittenLogs},
    replicas::ReplicaPolicy,
    scripts::{Call, JobScripts},
    startup,
    waiting::Waiting,
};
use crate::{
    Lease, StoreError,
    settings::{QueueSettings, RedisSettings},
};

const PREFIX: &str = "optimus";

/// Jobs in one Redis.
#[derive(Debug)]
pub struct RedisStore {
    pub(super) connections: Arc<Connections>,
    pub(super) keys: Keys,
    pub(super) scripts: JobScripts,
    pub(super) queue: QueueSettings,
    pub(super) feed: Feed,
    pub(super) publisher: Publisher,
    pub(super) waiting: Waiting,
    pub(super) replicas: ReplicaPolicy,
}

impl RedisStore {
    /// Connects, checks that this Redis is safe to keep jobs in, and subscribes to events.
    pub async fn connect(redis: &RedisSettings, queue: &QueueSettings) -> Result<Self, StoreError> {
        Self::connect_with_prefix(redis, queue, PREFIX).await
    }

    /// As [`RedisStore::connect`], with all keys under another prefix than `optimus`: a store of its own.
    pub async fn connect_with_prefix(
        redis: &RedisSettings,
        queue: &QueueSettings,
        prefix: &str,
    ) -> Result<Self, StoreError> {
        let connections = Arc::new(
            Connections::open(redis)
                .map_err(|error| StoreError::Misconfigured(format!("redis.url: {error}")))?,
        );
        startup::check(&mut connections.control()).await?;
        let keys = Keys::new(prefix);
        let logs = Arc::<UnwrittenLogs>::default();
        let feed = Feed::start(connections.clone(), keys.clone(), logs.clone())
            .await
            .map_err(unavailable)?;
        let (scripts, waiting) = (JobScripts::new(), Waiting::default());
        let publisher = Publisher::start(connections.clone(), keys.clone(), logs);
        Ok(Self {
            connections,
            keys,
            scripts,
            queue: queue.clone(),
            feed,
            publisher,
            waiting,
            replicas: ReplicaPolicy::of(redis),
        })
    }

    /// Deletes every key of this store's prefix.
    #[cfg(feature = "bench")]
    pub(crate) async fn erase(&self) -> Result<(), StoreError> {
        let mut cursor = 0_u64;
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor)
                .arg("MATCH")
                .arg(self.keys.all())
                .arg("COUNT")
                .arg(1000);
            let (next, keys): (u64, Vec<String>) = self.control(&scan).await?;
            if !keys.is_empty() {
                let () = self.control(redis::cmd("UNLINK").arg(keys)).await?;
            }
            if next == 0 {
                return Ok(());
            }
            cursor = next;
        }
    }

    pub(super) async fn control<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, StoreError> {
        command
            .query_async(&mut self.connections.control())
            .await
            .map_err(unavailable)
    }

    pub(super) fn call<'a>(&self, script: &'a Script, language: &LanguageName) -> Call<'a> {
        Call::on(script, &self.keys, language, &[])
    }

    /// A call about a leased job: its id and token come first.
    pub(super) fn call_for<'a>(&self, script: &'a Script, lease: &Lease) -> Call<'a> {
        self.call(script, &lease.language)
            .arg(lease.job.to_string())
            .arg(lease.token.0)
    }

    pub(super) async fn control_call<T: FromRedisValue>(&self, call: Call<'_>) -> Result<T, StoreError> {
        call.run(&mut self.connections.control())
            .await
            .map_err(unavailable)
    }

    pub(super) async fn bulk_call<T: FromRedisValue>(&self, call: Call<'_>) -> Result<T, StoreError> {
        call.run(&mut self.connections.bulk()).await.map_err(unavailable)
    }

    /// As [`Self::bulk_call`], and not before the replicas that are asked for have it. An error says nothing of whether
    /// it happened.
    pub(super) async fn replicated_call<T: FromRedisValue>(&self, call: Call<'_>) -> Result<T, StoreError> {
        if !self.replicas.is_required() {
            return self.bulk_call(call).await;
        }
        let (answer, there) = call
            .run_replicated(&mut self.connections.bulk(), self.replicas)
            .await
            .map_err(unavailable)?;
        self.replicas.check(there)?;
        Ok(answer)
    }

    /// As [`ReplicaPolicy::read`].
    pub(super) async fn replicated_read<T: FromRedisValue>(&self, read: Cmd) -> Result<T, StoreError> {
        let barrier = self.keys.barrier();
        self.replicas
            .read(&mut self.connections.bulk(), read, &barrier)
            .await
    }

    /// The arguments `take_back` of `lib.lua` goes by.
    pub(super) fn with_rules<'a>(&self, call: Call<'a>) -> Call<'a> {
        call.arg(millis(self.queue.result_ttl))
            .arg(self.queue.max_attempts)
            .arg(millis(self.queue.retry_backoff))
            .arg(self.queue.max_dead_jobs)
    }

    /// The arguments `make_room` of `results.lua` goes by.
    pub(super) fn with_room<'a>(&self, call: Call<'a>) -> Call<'a> {
        call.arg(self.keys.result_prefix())
            .arg(self.queue.max_result_bytes)
    }

    pub(super) async fn counters(&self) -> Result<Vec<(String, String)>, StoreError> {
        self.control(redis::cmd("HGETALL").arg(self.keys.counters()))
            .await
    }

    /// Every language a job was ever submitted for.
    pub(super) async fn languages(&self) -> Result<Vec<LanguageName>, StoreError> {
        let fields: Vec<String> = self
            .control(redis::cmd("HKEYS").arg(self.keys.counters()))
            .await?;
        Ok(fields
            .iter()
            .filter_map(|field| field.strip_prefix("submitted:")?.parse().ok())
            .collect())
    }
}
