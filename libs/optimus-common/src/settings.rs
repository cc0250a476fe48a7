//! Every setting, in the order the layers apply: the defaults written in `config/optimus.toml`, a file, the
//! environment, and then the flags of each binary, which it applies itself.
//!
//! The environment names a setting as `OPTIMUS__SECTION__KEY`; `REDIS_URL`, `API_HOST`, `API_PORT`,
//! `WORKER_LANGUAGE` and `WORKER_CONCURRENCY` work beside that.

use std::{
    env,
    path::{Path, PathBuf},
    time::Duration,
};

use config::{Config, Environment, File, FileFormat};
use serde::Deserialize;

use crate::{submission::Maxima, units};

/// The commented file that ships with Optimus is itself the defaults, so the two cannot differ.
const DEFAULTS: &str = include_str!("../../../config/optimus.toml");

/// The short names kept from the original description.
const SHORT_NAMES: [(&str, &str); 5] = [
    ("REDIS_URL", "redis.url"),
    ("API_HOST", "api.host"),
    ("API_PORT", "api.port"),
    ("WORKER_LANGUAGE", "worker.languages"),
    ("WORKER_CONCURRENCY", "worker.concurrency"),
];

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where `languages.json` is. Relative paths start at the current directory.
    pub languages_file: PathBuf,
    pub api: Api,
    pub redis: Redis,
    pub queue: Queue,
    pub worker: Worker,
    pub docker: Docker,
    pub limits: LimitSettings,
    pub results: Results,
    pub log: Log,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Api {
    pub host: String,
    pub port: u16,
    /// Largest request body.
    pub body_limit_bytes: usize,
    /// Longest `?wait=`.
    #[serde(rename = "max_wait_ms", with = "units::ms")]
    pub max_wait: Duration,
    /// How long requests under way may take after SIGTERM.
    #[serde(rename = "shutdown_ms", with = "units::ms")]
    pub shutdown: Duration,
    /// Bearer tokens that may use the API; empty: no authentication.
    pub tokens: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Redis {
    pub url: String,
    #[serde(rename = "response_timeout_ms", with = "units::ms")]
    pub response_timeout: Duration,
    #[serde(rename = "connection_timeout_ms", with = "units::ms")]
    pub connection_timeout: Duration,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Queue {
    /// Waiting jobs of one language before `POST /jobs` answers 429.
    pub max_waiting_jobs: u64,
    /// Bytes of all waiting and running submissions before `POST /jobs` answers 429.
    pub max_stored_bytes: u64,
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

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Worker {
    /// Names separated by commas, or `all`.
    pub languages: String,
    /// Boxes at once for each language; 0: the language's own `max_parallel_jobs`.
    pub concurrency: u32,
    /// Boxes kept ready for each language; 0: two more than may run at once.
    pub warm_boxes: u32,
    /// How long running jobs may take after SIGTERM before they are released.
    #[serde(rename = "drain_ms", with = "units::ms")]
    pub drain: Duration,
    #[serde(rename = "heartbeat_ms", with = "units::ms")]
    pub heartbeat: Duration,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Docker {
    /// As `DOCKER_HOST`, which is used where this is empty; else the local socket.
    pub host: String,
    /// Which boxes on the engine are this installation's. Boxes of another scope are never touched.
    pub scope: String,
    /// Containers made at once. Engines get slower, not faster, with more.
    pub parallel_starts: u32,
    /// Longest wait for the engine to make a box.
    #[serde(rename = "start_timeout_ms", with = "units::ms")]
    pub start_timeout: Duration,
}

/// Defaults for what a submission leaves out, and the largest values it may ask for.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitSettings {
    pub timeout_ms: u64,
    pub compile_timeout_ms: u64,
    pub output_limit_bytes: u64,
    pub max: Maxima,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Results {
    /// Bytes kept of each stream of a test, and of the compile step.
    pub max_stream_bytes: u64,
    /// Bytes of all streams kept in one job's result.
    pub max_job_bytes: u64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// In the syntax of tracing's `EnvFilter`, such as `info` or `info,optimus_worker=debug`.
    pub filter: String,
    /// One JSON object a line instead of text.
    pub json: bool,
}

#[derive(Debug, thiserror::Error)]
#[error("invalid configuration")]
pub struct SettingsError(#[source] config::ConfigError);

impl Settings {
    /// Reads all layers. Without `file`, `config/optimus.toml` is used where it exists.
    pub fn load(file: Option<&Path>) -> Result<Self, SettingsError> {
        let default_file = Path::new("config/optimus.toml");
        let file = match file {
            Some(path) => Some(File::from(path).format(FileFormat::Toml)),
            None => default_file
                .exists()
                .then(|| File::from(default_file).format(FileFormat::Toml)),
        };
        let vars: Vec<_> = env::vars().collect();
        Self::from_layers(file, &vars).map_err(SettingsError)
    }

    fn from_layers(
        file: Option<File<config::FileSourceFile, FileFormat>>,
        vars: &[(String, String)],
    ) -> Result<Self, config::ConfigError> {
        let mut builder = Config::builder().add_source(File::from_str(DEFAULTS, FileFormat::Toml));
        if let Some(file) = file {
            builder = builder.add_source(file);
        }
        for (short, key) in SHORT_NAMES {
            if let Some((_, value)) = vars
                .iter()
                .find(|(name, value)| name == short && !value.is_empty())
            {
                builder = builder.set_override(key, value.as_str())?;
            }
        }
        let vars = vars.iter().cloned().collect();
        builder
            .add_source(
                Environment::with_prefix("OPTIMUS")
                    .prefix_separator("__")
                    .separator("__")
                    .try_parsing(true)
                    .list_separator(",")
                    .with_list_parse_key("api.tokens")
                    .source(Some(vars)),
            )
            .build()?
            .try_deserialize()
    }

    /// The defaults alone, for tests.
    pub fn defaults() -> Self {
        Self::from_layers(None, &[]).expect("the shipped defaults are valid")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(vars: &[(&str, &str)]) -> Result<Settings, config::ConfigError> {
        let vars: Vec<_> = vars
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        Settings::from_layers(None, &vars)
    }

    #[test]
    fn the_environment_overrides_the_defaults() {
        let settings = with(&[
            ("REDIS_URL", "redis://elsewhere:1"),
            ("API_PORT", "9"),
            ("WORKER_CONCURRENCY", "7"),
            ("OPTIMUS__QUEUE__LEASE_MS", "1500"),
            ("OPTIMUS__API__TOKENS", "a,b"),
        ])
        .unwrap();
        assert_eq!(settings.redis.url, "redis://elsewhere:1");
        assert_eq!(settings.api.port, 9);
        assert_eq!(settings.worker.concurrency, 7);
        assert_eq!(settings.queue.lease, Duration::from_millis(1500));
        assert_eq!(settings.api.tokens, ["a", "b"]);
    }

    #[test]
    fn a_misspelt_setting_is_refused_by_name() {
        let error = with(&[("OPTIMUS__QUEUE__LEASE", "1")]).unwrap_err();
        assert!(error.to_string().contains("lease"), "{error}");
    }
}
