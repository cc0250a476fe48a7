//! The store as the release before calls it: its scripts, with its keys and arguments.

use std::{sync::Arc, time::Duration};

use redis::{Client, FromRedisValue, RedisError, RedisResult, aio::MultiplexedConnection};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::{sync::Mutex, time::timeout};

/// The language of all jobs of these scenarios.
const LANGUAGE: &str = "python";

const LEASE: Duration = Duration::from_millis(2500);
const RESULT_TTL: Duration = Duration::from_hours(24);
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(1);

/// The fields of a record that it reads.
const FIELDS: [&str; 12] = [
    "status",
    "language",
    "attempts",
    "created",
    "started",
    "finished",
    "tests",
    "metadata",
    "error",
    "result",
    "result_bytes",
    "gist",
];

#[derive(Debug, Clone)]
pub(super) struct Store {
    client: Client,
    connection: Arc<Mutex<Option<MultiplexedConnection>>>,
}

/// A job and the token of its lease.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) job: String,
    token: u64,
    pub(super) submission: Value,
}

#[derive(Debug)]
pub(super) struct End<'a> {
    pub(super) status: &'a str,
    pub(super) verdict: &'a str,
    pub(super) result: &'a str,
}

impl Store {
    pub(super) fn new(url: &str) -> Self {
        Self {
            client: Client::open(url).unwrap(),
            connection: Arc::default(),
        }
    }

    /// The id of the job that has the key. An error where it may be tried again.
    pub(super) async fn submit(&self, id: &str, body: &str, key: &str) -> RedisResult<String> {
        let submission: Value = serde_json::from_str(body).unwrap();
        assert_eq!(submission["language"], LANGUAGE);
        let tests = submission["test_cases"].as_array().unwrap().len().to_string();
        let arguments = [
            id,
            "normal",
            &tests,
            body,
            "",
            "100000",
            "2147483648",
            &millis(RESULT_TTL),
            &hex(body),
        ];
        let keys = [format!("optimus:job:{id}"), format!("optimus:idem:{}", hex(key))];
        let answer: String = self
            .call(include_str!("lua/submit.lua"), &keys, &arguments)
            .await?;
        match answer.as_str() {
            "created" => Ok(id.to_owned()),
            "full" | "reused" => panic!("{answer}, in answer to {key}"),
            _ => Ok(answer),
        }
    }

    /// The fields of a record, none where there is no such job.
    pub(super) async fn record(&self, id: &str) -> RedisResult<Option<[Option<String>; FIELDS.len()]>> {
        let mut read = redis::cmd("HMGET");
        read.arg(format!("optimus:job:{id}")).arg(&FIELDS);
        let fields: [Option<String>; FIELDS.len()] = self.ask(read).await?;
        Ok(fields[0].is_some().then_some(fields))
    }

    pub(super) async fn cancel(&self, id: &str) -> RedisResult<Option<String>> {
        self.call(include_str!("lua/cancel.lua"), &[], &[id, &millis(RESULT_TTL)])
            .await
    }

    pub(super) async fn claim(&self, worker: &str) -> RedisResult<Option<Claim>> {
        let arguments = [
            worker,
            &millis(LEASE),
            crate::fleet::MARK_OF_A_CLAIM,
            &millis(RESULT_TTL),
        ];
        let answer: Vec<redis::Value> = self.call(include_str!("lua/claim.lua"), &[], &arguments).await?;
        // None is due, or only stale entries were cleared away.
        if answer.len() < 2 {
            return Ok(None);
        }
        let (job, token, _attempt, _created, submission): (String, u64, u32, i64, String) =
            redis::from_redis_value(redis::Value::Array(answer))?;
        Ok(Some(Claim {
            job,
            token,
            submission: serde_json::from_str(&submission).unwrap(),
        }))
    }

    /// `held`, `cancel` or `lost`.
    pub(super) async fn renew(&self, claim: &Claim) -> RedisResult<String> {
        let arguments = [&*claim.job, &claim.token.to_string(), &millis(LEASE)];
        self.call(include_str!("lua/renew.lua"), &[], &arguments).await
    }

    /// Whether it was accepted.
    pub(super) async fn finish(&self, claim: &Claim, end: &End<'_>) -> RedisResult<bool> {
        let keys = [
            "optimus:results".to_owned(),
            format!("optimus:result:{}", claim.job),
        ];
        let arguments = [
            &*claim.job,
            &claim.token.to_string(),
            &millis(RESULT_TTL),
            end.status,
            end.verdict,
            end.result,
            "",
            &end.result.len().to_string(),
            "",
            "",
            "optimus:result:",
            "4294967296",
        ];
        self.call(include_str!("lua/finish.lua"), &keys, &arguments).await
    }

    pub(super) async fn reap(&self) -> RedisResult<()> {
        let rules = [&*millis(RESULT_TTL), "10000", "20", "1000"];
        let _: (u64, u64, u64) = self.call(include_str!("lua/reap.lua"), &[], &rules).await?;
        Ok(())
    }

    pub(super) async fn heartbeat(&self, worker: &str) -> RedisResult<()> {
        let said = serde_json::json!({
            "id": worker,
            "host": "elsewhere",
            "pools": [{"language": LANGUAGE, "slots": 2, "busy": 0, "unavailable": null, "toolchain": null}],
        });
        let script = include_str!("lua/heartbeat.lua");
        let mut heartbeat = redis::cmd("EVAL");
        heartbeat
            .arg(script)
            .arg(1)
            .arg("optimus:workers")
            .arg(worker)
            .arg(said.to_string());
        self.ask(heartbeat).await
    }

    pub(super) async fn goodbye(&self, worker: &str) -> RedisResult<()> {
        let mut forget = redis::cmd("HDEL");
        forget.arg("optimus:workers").arg(worker);
        self.ask(forget).await
    }

    /// A script of one language; `more` are its own keys.
    async fn call<T: FromRedisValue>(
        &self,
        body: &str,
        more: &[String],
        arguments: &[&str],
    ) -> RedisResult<T> {
        let places = ["queue:python:interactive", "queue:python", "queue:python:batch"];
        let others = [
            "delayed:python",
            "running:python",
            "dead:python",
            "wake:python",
            "counters",
        ];
        let mut call = redis::cmd("EVAL");
        call.arg(script(body))
            .arg(places.len() + others.len() + more.len());
        for place in places.iter().chain(&others) {
            call.arg(format!("optimus:{place}"));
        }
        call.arg(more)
            .arg(&[LANGUAGE, "optimus:job:", "optimus:events"])
            .arg(arguments);
        self.ask(call).await
    }

    /// Over one connection for as long as that answers: each new one takes a port, which the API that is started anew may need.
    async fn ask<T: FromRedisValue>(&self, command: redis::Cmd) -> RedisResult<T> {
        let mut kept = self.connection.lock().await.take();
        let asking = async {
            let mut connection = match kept.take() {
                Some(connection) => connection,
                None => self.client.get_multiplexed_async_connection().await?,
            };
            let answer = command.query_async(&mut connection).await?;
            Ok((answer, connection))
        };
        let (answer, connection) = timeout(RESPONSE_TIMEOUT, asking).await.unwrap_or_else(|_| {
            Err(RedisError::from(std::io::Error::from(
                std::io::ErrorKind::TimedOut,
            )))
        })?;
        // Whoever asked meanwhile had one of his own, so that one that is held holds up no other; one is enough to keep.
        self.connection.lock().await.get_or_insert(connection);
        Ok(answer)
    }
}

/// As that release put them together: the first line says whether the script runs with memory full.
fn script(body: &str) -> String {
    let (flags, rest) = body.split_once('\n').unwrap();
    let shared = [include_str!("lua/lib.lua"), include_str!("lua/results.lua")];
    let shared = &shared[..if rest.contains("make_room") { 2 } else { 1 }];
    format!("{flags}\n{}\n{rest}", shared.join("\n"))
}

fn millis(duration: Duration) -> String {
    duration.as_millis().to_string()
}

fn hex(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest
        .iter()
        .fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}
