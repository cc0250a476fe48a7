//! Calls of the scripts that know how content is kept.

use optimus_common::{JobId, content::Digest};
use optimus_content::{ContentError, Rules};
use redis::{FromRedisValue, RedisError, Script};

use crate::{
    StoreError,
    redis::{
        arguments::millis,
        connection::Connections,
        replicas::ReplicaPolicy,
        scripts::{Call, after},
    },
    settings::RedisSettings,
};

pub(super) const PREFIX: &str = "optimus:content";

/// Bytes that are sent to Redis, or read from it, by one command.
pub(super) const BLOCK: usize = 1 << 20;

/// How many contents or jobs one script looks at.
pub(super) const PAGE: usize = 1000;

/// What a script answers in place of sizes where jobs would hold more than they may.
const NO_ROOM: i64 = -2;

/// All that the clones of a store share.
#[derive(Debug)]
pub(super) struct ContentCalls {
    /// Of its own, so that content holds up no job.
    pub(super) connections: Connections,
    replicas: ReplicaPolicy,
    keys: Vec<String>,
    prefix: String,
    pub(super) scripts: Scripts,
    pub(super) rules: Rules,
}

#[derive(Debug)]
pub(super) struct Scripts {
    pub(super) append: Script,
    pub(super) keep: Script,
    pub(super) drop: Script,
    pub(super) hold: Script,
    pub(super) renew: Script,
    pub(super) release: Script,
    holders: Script,
    pub(super) evict: Script,
    pub(super) find: Script,
    pub(super) forget: Script,
}

impl Scripts {
    fn new() -> Self {
        let script = |body| after(&[include_str!("../lua/content/lib.lua")], body);
        Self {
            append: script(include_str!("../lua/content/append.lua")),
            keep: script(include_str!("../lua/content/keep.lua")),
            drop: script(include_str!("../lua/content/drop.lua")),
            hold: script(include_str!("../lua/content/hold.lua")),
            renew: script(include_str!("../lua/content/renew.lua")),
            release: script(include_str!("../lua/content/release.lua")),
            holders: script(include_str!("../lua/content/holders.lua")),
            evict: script(include_str!("../lua/content/evict.lua")),
            find: script(include_str!("../lua/content/find.lua")),
            forget: script(include_str!("../lua/content/forget.lua")),
        }
    }
}

pub(super) fn failed(error: RedisError) -> ContentError {
    // Redis has no memory left, which its other data may have taken.
    let is_full = error.code() == Some("OOM");
    if is_full {
        ContentError::NoRoom
    } else {
        ContentError::unavailable(error)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("Redis answers what no script of ours does")]
pub(super) struct Unexpected;

impl ContentCalls {
    /// Inside a runtime. The connections are opened at their first use.
    pub(super) fn open(redis: &RedisSettings, rules: Rules) -> Result<Self, ContentError> {
        let misconfigured = |error: RedisError| ContentError::Misconfigured(format!("redis.url: {error}"));
        let connections = Connections::open(redis).map_err(misconfigured)?;
        let names = [
            "sizes",
            "used",
            "arriving",
            "arrived",
            "holds",
            "held",
            "held_by",
            "totals",
            "versions",
            "held_sizes",
        ];
        Ok(Self {
            connections,
            replicas: ReplicaPolicy::of(redis),
            keys: names.map(|name| format!("{PREFIX}:{name}")).to_vec(),
            prefix: PREFIX.to_owned(),
            scripts: Scripts::new(),
            rules,
        })
    }

    pub(super) fn call<'a>(&self, script: &'a Script) -> Call<'a> {
        Call::new(script, &self.keys).arg(&self.prefix)
    }

    pub(super) async fn run<T: FromRedisValue>(&self, call: Call<'_>) -> Result<T, ContentError> {
        call.run(&mut self.connections.bulk()).await.map_err(failed)
    }

    /// Not before the replicas that are asked for have it, and all that was written before.
    pub(super) async fn run_replicated<T: FromRedisValue>(&self, call: Call<'_>) -> Result<T, ContentError> {
        if !self.replicas.is_required() {
            return self.run(call).await;
        }
        let link = &mut self.connections.bulk();
        let (answer, there) = call.run_replicated(link, self.replicas).await.map_err(failed)?;
        self.replicas
            .check(there)
            .map_err(|error: StoreError| ContentError::unavailable(error))?;
        Ok(answer)
    }

    /// `call` lacks the digests, behind each other.
    pub(super) async fn sizes(
        &self,
        call: Call<'_>,
        digests: &[Digest],
    ) -> Result<Vec<Option<u64>>, ContentError> {
        if digests.is_empty() {
            return Ok(Vec::new());
        }
        let packed: String = digests.iter().map(Digest::to_string).collect();
        let sizes: Vec<i64> = self.run_replicated(call.arg(packed)).await?;
        if sizes == [NO_ROOM] {
            return Err(ContentError::NoRoom);
        }
        if sizes.len() != digests.len() {
            return Err(ContentError::unavailable(Unexpected));
        }
        Ok(sizes.into_iter().map(|size| u64::try_from(size).ok()).collect())
    }

    /// Jobs that hold content for some time.
    pub(super) async fn holders(&self) -> Result<Vec<JobId>, ContentError> {
        let mut jobs = Vec::new();
        let mut passed = 0;
        loop {
            let call = self.call(&self.scripts.holders);
            let call = call.arg(millis(self.rules.min_kept)).arg(passed).arg(PAGE);
            let page: Vec<String> = self.run(call).await?;
            passed += page.len();
            let is_last = page.len() < PAGE;
            for job in page {
                if let Ok(job) = job.parse() {
                    jobs.push(job);
                } else {
                    tracing::warn!(key = self.keys[4], "what holds content there is no job");
                }
            }
            if is_last {
                return Ok(jobs);
            }
        }
    }

    pub(super) async fn block(&self, digest: Digest, from: u64, size: u64) -> Result<Vec<u8>, ContentError> {
        let to = (from + BLOCK as u64).min(size) - 1;
        let mut read = redis::cmd("GETRANGE");
        read.arg(format!("{}:data:{digest}", self.prefix))
            .arg(from)
            .arg(to);
        read.query_async(&mut self.connections.bulk())
            .await
            .map_err(failed)
    }
}
