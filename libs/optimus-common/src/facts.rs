//! What the agent saw of a run. Facts, never verdicts: those are the judge's.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::units;

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum RunEnd {
    /// The first process of the tree called `exit` with this code.
    Exited { code: i32 },
    /// The first process died by this signal, not sent by the agent.
    Signalled { signal: i32 },
    /// The agent killed the tree because it went over this limit.
    Killed { limit: LimitKind },
    /// The program could not be started at all, for example because the compile step made no executable file.
    NotStarted { error: String },
}

/// The limit for which the agent killed a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitKind {
    CpuTime,
    WallTime,
    Memory,
    Output,
}

/// Everything measured of one run, or of the compile step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunFacts {
    pub end: RunEnd,
    /// User and system time of the whole tree, the dead and the orphaned included.
    #[serde(rename = "cpu_time_us", with = "units::us")]
    pub cpu_time: Duration,
    /// From just before the start of the first process to its end, or to the kill.
    #[serde(rename = "wall_time_us", with = "units::us")]
    pub wall_time: Duration,
    /// Largest resident memory: of any one process as the kernel counted it, or of the tree as it was sampled,
    /// whichever is larger.
    pub peak_memory_bytes: u64,
    /// Processes the kernel's OOM killer struck in the run's cgroup.
    pub oom_kills: u64,
    /// Times the kernel refused a new process or thread for the process limit.
    pub process_limit_hits: u64,
    /// True lengths of the streams up to the moment the run ended; at most one byte over the limit.
    pub stdout_bytes: u64,
    pub stderr_bytes: u64,
}
