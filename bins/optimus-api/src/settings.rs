//! What the API reads of the settings, and `[api]`, the section that is its own.

use std::{path::Path, time::Duration};

use optimus_common::{data_dir::DataDir, language::LanguagesFile, shape, units};
use optimus_content::settings::ContentSettings;
use optimus_judge::settings::LimitSettings;
use optimus_queue::settings::{QueueSettings, RedisSettings};
use optimus_service::LogSettings;
use optimus_settings::SettingsError;
use serde::Deserialize;

#[derive(Debug, Clone, Deserialize)]
#[serde(remote = "Self", expecting = "a table")]
pub struct Settings {
    pub languages_file: LanguagesFile,
    pub data_dir: DataDir,
    pub api: ApiSettings,
    pub redis: RedisSettings,
    pub queue: QueueSettings,
    pub limits: LimitSettings,
    pub content: ContentSettings,
    pub log: LogSettings,
}

impl Settings {
    /// Reads all layers; see [`optimus_settings::load`].
    pub fn load(file: Option<&Path>) -> Result<Self, SettingsError> {
        optimus_settings::load(file)
    }

    /// The defaults alone, for tests.
    pub fn defaults() -> Self {
        optimus_settings::defaults()
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self", expecting = "a table")]
pub struct ApiSettings {
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

shape::read_by!(Object, Settings, ApiSettings);
