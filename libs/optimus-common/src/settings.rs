//! Every setting, in the order the layers apply: the defaults written in `config/optimus.toml`, a file, the
//! environment, and then the flags of each binary, which it applies itself.
//!
//! The environment names a setting as `OPTIMUS__SECTION__KEY`; `REDIS_URL`, `API_HOST`, `API_PORT`,
//! `WORKER_LANGUAGE` and `WORKER_CONCURRENCY` work beside that.

mod content;
mod languages_file;

use std::{
    env,
    path::{Path, PathBuf},
    time::Duration,
};

use config::{Config, Environment, File, FileFormat};
use serde::{Deserialize, Deserializer, de::IntoDeserializer};

pub use self::{
    content::{Content, ContentStoreChoice},
    languages_file::LanguagesFile,
};
use crate::{shape, submission::SubmissionLimits, units};

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
#[serde(deny_unknown_fields, remote = "Self", expecting = "a table")]
pub struct Settings {
    pub languages_file: LanguagesFile,
    /// Empty: the usual place; see [`Settings::data_dir`].
    data_dir: PathBuf,
    pub api: Api,
    pub redis: Redis,
    pub queue: Queue,
    pub worker: Worker,
    pub docker: Docker,
    pub native: Native,
    pub limits: LimitSettings,
    pub results: Results,
    pub content: Content,
    pub log: Log,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self", expecting = "a table")]
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
    /// Whether a submission is refused where no worker takes jobs of its language; else it waits, and the answer says so.
    pub refuse_unserved: bool,
    /// Whether an address beyond loopback may be served without tokens.
    pub allow_anonymous: bool,
    /// Address under which the machine around a container publishes it; empty: `host` is what can be reached.
    pub published_at: String,
    /// Names that the `Host` of a request may have beside the machine's own, where there are no tokens.
    pub allowed_hosts: Vec<String>,
    /// Connections at once; 0: as the limit on open files allows.
    pub max_connections: u32,
    /// Clients that follow a job at once (`GET /jobs/{id}/events`).
    pub max_event_streams: u32,
    /// How long a client may in all fall behind `least_bytes_per_second` while it sends a body or reads an answer.
    #[serde(rename = "slow_client_ms", with = "units::ms")]
    pub slow_client: Duration,
    pub least_bytes_per_second: u64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self", expecting = "a table")]
pub struct Redis {
    /// A server's, or that of Sentinels.
    pub url: String,
    /// Replicas that must have a submission before it is accepted, and a result before it counts as stored.
    pub replicas: u32,
    #[serde(rename = "response_timeout_ms", with = "units::ms")]
    pub response_timeout: Duration,
    #[serde(rename = "connection_timeout_ms", with = "units::ms")]
    pub connection_timeout: Duration,
}

impl Redis {
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
pub struct Queue {
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

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self", expecting = "a table")]
pub struct Worker {
    /// Empty in the file: what the process prefers by itself.
    #[serde(deserialize_with = "chosen")]
    pub backend: Option<BackendChoice>,
    /// Names separated by commas, or `all`.
    pub languages: String,
    /// Boxes at once for each language; 0: the language's own `max_parallel_jobs`.
    pub concurrency: u32,
    /// Boxes at once over all languages; 0: no bound but each language's.
    pub total_concurrency: u32,
    /// Boxes kept ready for each language; 0: two more than may run at once.
    pub warm_boxes: u32,
    /// How long running jobs may take after SIGTERM before they are released.
    #[serde(rename = "drain_ms", with = "units::ms")]
    pub drain: Duration,
    #[serde(rename = "heartbeat_ms", with = "units::ms")]
    pub heartbeat: Duration,
    /// Longest time for comparing the outputs of a job's tests, all together.
    #[serde(rename = "max_checking_ms", deserialize_with = "units::ms::at_least_one")]
    pub max_checking: Duration,
    /// Where the worker shows its metrics and whether it is ready; empty: nowhere.
    pub metrics_address: String,
}

/// Where boxes come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackendChoice {
    Docker,
    Native,
    /// Native where the host offers every layer of it, else Docker.
    Auto,
}

fn chosen<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<BackendChoice>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() {
        return Ok(None);
    }
    BackendChoice::deserialize(text.into_deserializer()).map(Some)
}

/// Boxes made of namespaces and cgroups.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self", expecting = "a table")]
pub struct Native {
    /// Names of layers that may be missing.
    pub allow_missing: Vec<String>,
    /// Files and folders of the host that boxes of every language see, beside what the language needs.
    pub paths: Vec<PathBuf>,
    /// The most memory that what the boxes of one language see may take, in MiB.
    pub root_max_mb: u64,
    /// Unpacked images, each in a folder named like its language; none where it is empty.
    pub roots: PathBuf,
    pub uid_base: u32,
    /// Empty: chosen by the user this process runs as.
    pub cgroup: PathBuf,
    #[serde(rename = "start_timeout_ms", with = "units::ms")]
    pub start_timeout: Duration,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self", expecting = "a table")]
pub struct Docker {
    /// As `DOCKER_HOST`, which is used where this is empty; else the local socket.
    pub host: String,
    /// Which boxes on the engine are this installation's. Boxes of another scope are never touched.
    pub scope: String,
    /// Containers made at once. Engines get slower, not faster, with more.
    pub parallel_starts: u32,
    /// MiB of an image's files that are held in memory; nothing of them where it is 0.
    pub hold_max_mb: u64,
    /// Longest wait for the engine to make a box.
    #[serde(rename = "start_timeout_ms", with = "units::ms")]
    pub start_timeout: Duration,
}

/// Defaults for what a submission leaves out, and the largest values it may ask for.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self", expecting = "a table")]
pub struct LimitSettings {
    pub timeout_ms: u64,
    pub compile_timeout_ms: u64,
    pub output_limit_bytes: u64,
    pub max: SubmissionLimits,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self", expecting = "a table")]
pub struct Results {
    /// Bytes kept of each stream of a test, and of the compile step, as they stand in the result.
    pub max_stream_bytes: u64,
    /// Bytes of all streams kept in one job's result, as they stand there.
    pub max_job_bytes: u64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self", expecting = "a table")]
pub struct Log {
    /// In the syntax of tracing's `EnvFilter`, such as `info` or `info,optimus_worker=debug`.
    pub filter: String,
    /// One JSON object a line instead of text.
    pub json: bool,
}

shape::read_by!(
    Object,
    Settings,
    Api,
    Redis,
    Queue,
    Worker,
    Native,
    Docker,
    LimitSettings,
    Results,
    Log
);

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
                    .with_list_parse_key("api.allowed_hosts")
                    .with_list_parse_key("native.allow_missing")
                    .with_list_parse_key("native.paths")
                    .source(Some(vars)),
            )
            .build()?
            .try_deserialize()
    }

    /// Where this process keeps what must outlive it.
    pub fn data_dir(&self) -> PathBuf {
        if !self.data_dir.as_os_str().is_empty() {
            return self.data_dir.clone();
        }
        let own = || env::var_os("XDG_DATA_HOME").filter(|folder| !folder.is_empty());
        match (own(), env::var_os("HOME")) {
            // Root's home is often closed to others, and a service's may not exist.
            (None, Some(home)) if home != "/root" && home != "/" && !home.is_empty() => {
                Path::new(&home).join(".local/share/optimus")
            }
            (Some(folder), _) => Path::new(&folder).join("optimus"),
            _ => PathBuf::from("/var/lib/optimus"),
        }
    }

    pub fn set_data_dir(&mut self, folder: PathBuf) {
        self.data_dir = folder;
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
            ("OPTIMUS__API__ALLOWED_HOSTS", "api,judge.example"),
            ("OPTIMUS__API__ALLOW_ANONYMOUS", "true"),
            ("OPTIMUS__NATIVE__ALLOW_MISSING", "landlock,guest-uids"),
            ("OPTIMUS__WORKER__BACKEND", "auto"),
            ("OPTIMUS__DATA_DIR", "/srv/optimus"),
            ("OPTIMUS__CONTENT__STORE", "/srv/content"),
        ])
        .unwrap();
        assert_eq!(settings.redis.url, "redis://elsewhere:1");
        assert_eq!(settings.api.port, 9);
        assert_eq!(settings.worker.concurrency, 7);
        assert_eq!(settings.queue.lease, Duration::from_millis(1500));
        assert_eq!(settings.api.tokens, ["a", "b"]);
        assert_eq!(settings.api.allowed_hosts, ["api", "judge.example"]);
        assert!(settings.api.allow_anonymous && !Settings::defaults().api.allow_anonymous);
        assert_eq!(settings.native.allow_missing, ["landlock", "guest-uids"]);
        assert_eq!(settings.worker.backend, Some(BackendChoice::Auto));
        assert_eq!(Settings::defaults().worker.backend, None);
        assert!(with(&[("OPTIMUS__WORKER__BACKEND", "podman")]).is_err());
        let folder = ContentStoreChoice::Folder(Some("/srv/content".into()));
        assert_eq!(settings.content.store, folder);
        assert_eq!(Settings::defaults().content.store, ContentStoreChoice::Usual);
        assert!(with(&[("OPTIMUS__CONTENT__STORE", "content/here")]).is_err());
        assert_eq!(settings.data_dir(), Path::new("/srv/optimus"));
    }

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
            let redis = with(&[("REDIS_URL", url)]).unwrap().redis;
            assert_eq!(redis.address(), address);
        }
    }

    #[test]
    fn a_misspelt_setting_is_refused_by_name() {
        let error = with(&[("OPTIMUS__QUEUE__LEASE", "1")]).unwrap_err();
        assert!(error.to_string().contains("lease"), "{error}");
    }

    #[test]
    fn a_table_is_no_list_of_its_values() {
        for (list, key) in [
            ("log = ['info', false]", "log"),
            ("results = [1, 2]", "results"),
            ("limits = [5000, 30000, 16777216, []]", "limits"),
            ("limits.max = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]", "limits.max"),
        ] {
            let toml = |text| File::from_str(text, FileFormat::Toml);
            let layers = Config::builder()
                .add_source(toml(DEFAULTS))
                .add_source(toml(list));
            let read = layers.build().unwrap().try_deserialize::<Settings>();
            let error = read.unwrap_err().to_string();
            assert!(error.contains("expected a table"), "{list}: {error}");
            assert!(error.contains(&format!("`{key}`")), "{list}: {error}");
        }
    }

    #[test]
    fn no_time_for_checking_is_refused_by_name() {
        let error = with(&[("OPTIMUS__WORKER__MAX_CHECKING_MS", "0")]).unwrap_err();
        let said = error.to_string();
        assert!(said.contains("worker.max_checking_ms"), "{said}");
        assert!(said.contains("must be at least 1"), "{said}");
        assert!(with(&[("OPTIMUS__WORKER__MAX_CHECKING_MS", "1")]).is_ok());
    }
}
