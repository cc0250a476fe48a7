//! What a worker reads of the settings, and `[worker]`, the section that is its own.

use std::{path::Path, time::Duration};

use optimus_common::{data_dir::DataDir, language::LanguagesFile, shape, units};
use optimus_content::settings::ContentSettings;
use optimus_judge::settings::{LimitSettings, ResultSettings};
use optimus_queue::settings::{QueueSettings, RedisSettings};
use optimus_sandbox::settings::{self as boxes, DockerSettings, NativeSettings};
use optimus_service::LogSettings;
use optimus_settings::SettingsError;
use serde::{Deserialize, Deserializer, de::IntoDeserializer};

#[derive(Debug, Clone, Deserialize)]
#[serde(remote = "Self", expecting = "a table")]
pub struct Settings {
    pub languages_file: LanguagesFile,
    pub data_dir: DataDir,
    pub redis: RedisSettings,
    pub queue: QueueSettings,
    pub worker: WorkerSettings,
    pub docker: DockerSettings,
    pub native: NativeSettings,
    pub limits: LimitSettings,
    pub results: ResultSettings,
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

    /// What the boxes of this host depend on.
    pub fn boxes(&self) -> boxes::Settings {
        boxes::Settings {
            languages_file: self.languages_file.clone(),
            data_dir: self.data_dir.clone(),
            native: self.native.clone(),
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self", expecting = "a table")]
pub struct WorkerSettings {
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

shape::read_by!(Object, Settings, WorkerSettings);

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn with(key: &str, value: Value) -> Result<WorkerSettings, serde_json::Error> {
        let mut table: Value = optimus_settings::defaults_of("worker");
        table[key] = value;
        serde_json::from_value(table)
    }

    #[test]
    fn an_empty_backend_is_none() {
        let backend = |text: &str| with("backend", json!(text)).map(|worker| worker.backend);
        assert_eq!(Settings::defaults().worker.backend, None);
        assert_eq!(backend("auto").unwrap(), Some(BackendChoice::Auto));
        assert!(backend("podman").is_err());
    }

    #[test]
    fn no_time_for_checking_is_refused() {
        let error = with("max_checking_ms", json!(0)).unwrap_err().to_string();
        assert!(error.contains("must be at least 1"), "{error}");
        assert!(with("max_checking_ms", json!(1)).is_ok());
    }
}
