//! `[redis]` and `[queue]`: where jobs are, and by which rules they wait.

use std::time::Duration;

use optimus_common::{shape, units};
use serde::Deserialize;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self", expecting = "a table")]
pub struct RedisSettings {
    /// A server's, or that of Sentinels.
    pub url: String,
    /// Replicas that must have a submission before it is accepted, and a result before it counts as stored.
    pub replicas: u32,
    #[serde(rename = "response_timeout_ms", with = "units::ms")]
    pub response_timeout: Duration,
    #[serde(rename = "connection_timeout_ms", with = "units::ms")]
    pub connection_timeout: Duration,
}

impl RedisSettings {
    /// Where the server is, for people: the address without what it is opened with.
    pub fn address(&self) -> String {
        let (scheme, rest) = self.url.split_once("://").unwrap_or(("redis", &self.url));
        let rest = rest.rsplit_once('@').map_or(rest, |(_, address)| address);
        let end = rest.find(['?', '#']).unwrap_or(rest.len());
        format!("{scheme}://{}", &rest[..end])
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self", expecting = "a table")]
pub struct QueueSettings {
    /// Waiting jobs of one language before `POST /jobs` answers 429.
    pub max_waiting_jobs: u64,
    /// Bytes of all waiting and running submissions before `POST /jobs` answers 429.
    pub max_stored_bytes: u64,
    /// Bytes of all results; above, the oldest lose all but their totals.
    pub max_result_bytes: u64,
    /// How long a worker owns a job without renewing.
    #[serde(rename = "lease_ms", with = "units::ms")]
    pub lease: Duration,
    #[serde(rename = "renew_ms", with = "units::ms")]
    pub renew: Duration,
    /// A worker that could not renew for `lease - safety_margin` kills its own box.
    #[serde(rename = "safety_margin_ms", with = "units::ms")]
    pub safety_margin: Duration,
    #[serde(rename = "reap_ms", with = "units::ms")]
    pub reap: Duration,
    /// Claims before a job is given up as `failed`.
    pub max_attempts: u32,
    /// Delay before a second attempt; doubled with each further one.
    #[serde(rename = "retry_backoff_ms", with = "units::ms")]
    pub retry_backoff: Duration,
    /// A normal job is served before an interactive one that came this much later; a batch job before a normal one
    /// that came ten times this much later.
    #[serde(rename = "priority_head_start_ms", with = "units::ms")]
    pub priority_head_start: Duration,
    /// Dead jobs kept for inspection, per language.
    pub max_dead_jobs: u64,
    /// How long finished jobs and idempotency keys are kept.
    #[serde(rename = "result_ttl_ms", with = "units::ms")]
    pub result_ttl: Duration,
}

shape::read_by!(Object, RedisSettings, QueueSettings);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_tells_no_password() {
        for (url, address) in [
            ("redis://127.0.0.1:6379", "redis://127.0.0.1:6379"),
            ("redis://user:secret@host:1/2", "redis://host:1/2"),
            ("rediss://:se@cret/@host", "rediss://host"),
            (
                "redis+sentinel://u:secret@a:1,b:2/main/0",
                "redis+sentinel://a:1,b:2/main/0",
            ),
            ("unix:///run/redis.sock?pass=secret", "unix:///run/redis.sock"),
            ("u:secret@host", "redis://host"),
        ] {
            let redis = RedisSettings {
                url: url.to_owned(),
                ..optimus_settings::defaults_of("redis")
            };
            assert_eq!(redis.address(), address);
        }
    }
}
