//! Content in Redis, for what is small: it is in the memory of the server that keeps the jobs.
//!
//! `optimus:content` stands for the prefix.
//!
//! | key | type | holds |
//! |---|---|---|
//! | `optimus:content:data:<digest>` | string | content |
//! | `optimus:content:sizes` | hash | the bytes of each content |
//! | `optimus:content:versions` | hash | the id under which each content came |
//! | `optimus:content:identity` | string | the name of the store |
//! | `optimus:content:used` | sorted set | digests; score: when it was last used |
//! | `optimus:content:incoming:<id>` | string | what is on its way; expires |
//! | `optimus:content:arriving` | sorted set | ids of what is on its way; score: when it is given up, unless more comes |
//! | `optimus:content:arrived` | hash | what each of them counts for |
//! | `optimus:content:holds` | sorted set | jobs that hold content; score: since when |
//! | `optimus:content:held` | hash | the digests that each of them holds, one after the other |
//! | `optimus:content:held_by` | hash | by how many jobs each digest is held |
//! | `optimus:content:held_sizes` | hash | what each digest counts for that is held and there |
//! | `optimus:content:totals` | hash | `bytes`: of all content, on its way or not; `held`: of what is held |
//!
//! All times are milliseconds since 1970 by Redis' clock. Every script happens wholly or not at all.

mod sink;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use optimus_common::{JobId, content::Digest};
use optimus_content::{
    Content, ContentError, ContentStore, Holders, Incoming, Rules, Sink, Source, Upkept, release_over,
};
use redis::{FromRedisValue, RedisError, Script};
use uuid::Uuid;

use self::sink::Appending;
use super::{
    arguments::millis,
    connection::Connections,
    replicas::ReplicaPolicy,
    scripts::{Call, after},
    startup,
};
use crate::{StoreError, settings::RedisSettings};

const PREFIX: &str = "optimus:content";

/// Bytes that are sent to Redis, or read from it, by one command.
const BLOCK: usize = 1 << 20;

/// How many contents or jobs one script looks at.
const PAGE: usize = 1000;

/// In place of sizes: jobs would hold more than they may.
const NO_ROOM: i64 = -2;

/// How often one upkeep calls the script that looks at a page of content: more often than any server has pages.
const PASSES: usize = 10_000;

/// Content in one Redis.
#[derive(Debug, Clone)]
pub struct RedisContent(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Of its own, so that content holds up no job.
    connections: Connections,
    replicas: ReplicaPolicy,
    keys: Vec<String>,
    prefix: String,
    scripts: Scripts,
    rules: Rules,
}

#[derive(Debug)]
struct Scripts {
    append: Script,
    keep: Script,
    drop: Script,
    hold: Script,
    renew: Script,
    release: Script,
    holders: Script,
    evict: Script,
    find: Script,
    forget: Script,
}

impl Scripts {
    fn new() -> Self {
        let script = |body| after(&[include_str!("lua/content/lib.lua")], body);
        Self {
            append: script(include_str!("lua/content/append.lua")),
            keep: script(include_str!("lua/content/keep.lua")),
            drop: script(include_str!("lua/content/drop.lua")),
            hold: script(include_str!("lua/content/hold.lua")),
            renew: script(include_str!("lua/content/renew.lua")),
            release: script(include_str!("lua/content/release.lua")),
            holders: script(include_str!("lua/content/holders.lua")),
            evict: script(include_str!("lua/content/evict.lua")),
            find: script(include_str!("lua/content/find.lua")),
            forget: script(include_str!("lua/content/forget.lua")),
        }
    }
}

fn failed(error: RedisError) -> ContentError {
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
struct Unexpected;

impl RedisContent {
    /// As [`RedisContent::open`], and refuses a server that would not keep content.
    pub async fn connect(redis: &RedisSettings, rules: Rules) -> Result<Self, ContentError> {
        let content = Self::open(redis, rules)?;
        let checked = startup::check_for_content(&mut content.0.connections.bulk()).await;
        match checked {
            Ok(()) => Ok(content),
            Err(StoreError::Misconfigured(why)) => Err(ContentError::Misconfigured(why)),
            Err(error) => Err(ContentError::unavailable(error)),
        }
    }

    /// Inside a runtime. The connections are opened at their first use.
    pub fn open(redis: &RedisSettings, rules: Rules) -> Result<Self, ContentError> {
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
        Ok(Self(Arc::new(Inner {
            connections,
            replicas: ReplicaPolicy::of(redis),
            keys: names.map(|name| format!("{PREFIX}:{name}")).to_vec(),
            prefix: PREFIX.to_owned(),
            scripts: Scripts::new(),
            rules,
        })))
    }
}

impl Inner {
    fn call<'a>(&self, script: &'a Script) -> Call<'a> {
        Call::new(script, &self.keys).arg(&self.prefix)
    }

    async fn run<T: FromRedisValue>(&self, call: Call<'_>) -> Result<T, ContentError> {
        call.run(&mut self.connections.bulk()).await.map_err(failed)
    }

    /// Not before the replicas that are asked for have it, and all that was written before.
    async fn run_replicated<T: FromRedisValue>(&self, call: Call<'_>) -> Result<T, ContentError> {
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
    async fn sizes(&self, call: Call<'_>, digests: &[Digest]) -> Result<Vec<Option<u64>>, ContentError> {
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
    async fn holders(&self) -> Result<Vec<JobId>, ContentError> {
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

    async fn block(&self, digest: Digest, from: u64, size: u64) -> Result<Vec<u8>, ContentError> {
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

/// Content that is read, block by block.
struct Reading {
    store: Arc<Inner>,
    digest: Digest,
    version: String,
    from: u64,
    size: u64,
}

#[async_trait]
impl Source for Reading {
    async fn next(&mut self) -> Result<Option<Bytes>, ContentError> {
        if self.from == self.size {
            return Ok(None);
        }
        let block = self.store.block(self.digest, self.from, self.size).await?;
        self.from += block.len() as u64;
        // None of the bytes that must be there.
        Ok((!block.is_empty()).then(|| block.into()))
    }

    async fn remove(&mut self) -> Result<(), ContentError> {
        let call = self.store.call(&self.store.scripts.forget);
        let call = call.arg(self.digest.to_string()).arg(&self.version);
        let _: u64 = self.store.run(call).await?;
        Ok(())
    }
}

#[async_trait]
impl ContentStore for RedisContent {
    async fn identity(&self) -> Result<Uuid, ContentError> {
        let key = format!("{PREFIX}:identity");
        let connection = &mut self.0.connections.bulk();
        let mut ask = redis::cmd("GET");
        ask.arg(&key);
        let mut known: Option<String> = ask.query_async(connection).await.map_err(failed)?;
        if known.is_none() {
            let mut make = redis::cmd("SET");
            make.arg(&key).arg(Uuid::now_v7().to_string()).arg("NX");
            let () = make.query_async(connection).await.map_err(failed)?;
            known = ask.query_async(connection).await.map_err(failed)?;
        }
        let known = known.ok_or_else(|| ContentError::unavailable(Unexpected))?;
        known.parse().map_err(ContentError::unavailable)
    }

    async fn begin(&self, digest: Digest) -> Result<Incoming, ContentError> {
        Incoming::begin(Arc::new(self.clone()), digest).await
    }

    async fn sink(&self, digest: Digest) -> Result<Box<dyn Sink>, ContentError> {
        Ok(Box::new(Appending::new(Arc::clone(&self.0), digest)))
    }

    fn incoming_memory(&self) -> usize {
        3 * BLOCK
    }

    fn max_bytes(&self) -> u64 {
        self.0.rules.max_bytes
    }

    async fn get(&self, digest: Digest) -> Result<Option<Content>, ContentError> {
        let call = self.0.call(&self.0.scripts.find).arg(digest.to_string());
        let (size, version): (i64, String) = self.0.run(call).await?;
        Ok(u64::try_from(size).ok().map(|size| {
            let reading = Reading {
                store: Arc::clone(&self.0),
                digest,
                version,
                from: 0,
                size,
            };
            Content::new(digest, size, reading)
        }))
    }

    async fn renew(&self, digests: &[Digest]) -> Result<Vec<Option<u64>>, ContentError> {
        self.0.sizes(self.0.call(&self.0.scripts.renew), digests).await
    }

    async fn bound(&self) -> Result<u64, ContentError> {
        Ok(self.0.rules.max_total_bytes)
    }

    async fn hold(
        &self,
        job: JobId,
        digests: &[Digest],
        most: u64,
    ) -> Result<Vec<Option<u64>>, ContentError> {
        let call = self.0.call(&self.0.scripts.hold);
        let call = call.arg(job.to_string()).arg(most);
        self.0.sizes(call, digests).await
    }

    async fn release(&self, job: JobId) -> Result<(), ContentError> {
        let call = self.0.call(&self.0.scripts.release).arg(job.to_string());
        let _: u64 = self.0.run(call).await?;
        Ok(())
    }

    async fn upkeep(&self, holders: &dyn Holders) -> Result<Upkept, ContentError> {
        let Inner { rules, scripts, .. } = &*self.0;
        let mut upkept = release_over(self, self.0.holders().await?, holders).await?;
        for _ in 0..PASSES {
            let call = self.0.call(&scripts.evict).arg(rules.max_total_bytes);
            let call = call.arg(millis(rules.min_kept)).arg(millis(rules.retention));
            let (looked, removed, bytes): (usize, u64, u64) = self.0.run(call.arg(PAGE)).await?;
            upkept.removed += removed;
            upkept.bytes = bytes;
            if looked < PAGE {
                break;
            }
        }
        Ok(upkept)
    }
}

/// How long what came is kept when no more comes: much longer than a client may take for a block.
const KEPT: Duration = Duration::from_mins(10);
