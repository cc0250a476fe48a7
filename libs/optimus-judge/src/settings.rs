//! `[limits]` and `[results]`: what a submission gets and may ask for, and how much of its output is kept.

use optimus_common::{shape, submission::SubmissionLimits};
use serde::Deserialize;

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
pub struct ResultSettings {
    /// Bytes kept of each stream of a test, and of the compile step, as they stand in the result.
    pub max_stream_bytes: u64,
    /// Bytes of all streams kept in one job's result, as they stand there.
    pub max_job_bytes: u64,
}

shape::read_by!(Object, LimitSettings, ResultSettings);
