//! `[docker]` and `[native]`: how boxes are made.

use std::{path::PathBuf, time::Duration};

use optimus_common::{data_dir::DataDir, language::LanguagesFile, shape, units};
use serde::Deserialize;

/// What the toolchains and boxes of a host depend on.
#[derive(Debug, Clone, Deserialize)]
#[serde(remote = "Self", expecting = "a table")]
pub struct Settings {
    pub languages_file: LanguagesFile,
    pub data_dir: DataDir,
    pub native: NativeSettings,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self", expecting = "a table")]
pub struct DockerSettings {
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

/// Boxes made of namespaces and cgroups.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self", expecting = "a table")]
pub struct NativeSettings {
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

shape::read_by!(Object, Settings, DockerSettings, NativeSettings);
