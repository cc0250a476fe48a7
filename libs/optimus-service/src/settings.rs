//! `[log]`: what a process says of itself.

use optimus_common::shape;
use serde::Deserialize;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self", expecting = "a table")]
pub struct LogSettings {
    /// In the syntax of tracing's `EnvFilter`, such as `info` or `info,optimus_worker=debug`.
    pub filter: String,
    /// One JSON object a line instead of text.
    pub json: bool,
}

shape::read_by!(Object, LogSettings);
