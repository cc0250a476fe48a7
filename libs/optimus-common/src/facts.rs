//! What the agent saw of a run. Facts, never verdicts: those are the judge's.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{limits::Limits, units};

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum LimitKind {
    CpuTime,
    WallTime,
    Memory,
    Output,
}

/// Who counted a figure. Where several did, the largest figure counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Witness {
    /// The kernel, for all processes of a control group together.
    Cgroup,
    /// The kernel, for each process that has died and was waited for.
    Rusage,
    /// The kernel, for each living process, as it was last seen in `/proc`.
    Proc,
    /// The file systems that the run could write to.
    Files,
}

/// Everything measured of one run, or of the compile step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RunFacts {
    pub end: RunEnd,
    /// User and system time of the whole tree, the dead and the orphaned included.
    #[serde(rename = "cpu_time_us", with = "units::us")]
    #[cfg_attr(feature = "openapi", schema(value_type = u64))]
    pub cpu_time: Duration,
    pub cpu_time_from: Witness,
    /// From just before the start of the first process to its end, or to the kill.
    #[serde(rename = "wall_time_us", with = "units::us")]
    #[cfg_attr(feature = "openapi", schema(value_type = u64))]
    pub wall_time: Duration,
    /// How long the thread that waited longest for a CPU did so, as it was last seen; `null` where nobody looked, as for
    /// a run of a few milliseconds, or where the kernel does not count it.
    #[serde(rename = "waited_for_cpu_us", with = "units::optional_us")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<u64>))]
    pub waited_for_cpu: Option<Duration>,
    /// Largest memory of the whole tree at any one time: what its processes have touched, and its files in memory.
    pub peak_memory_bytes: u64,
    pub peak_memory_from: Witness,
    /// Processes the kernel's OOM killer struck in the run's cgroup.
    pub oom_kills: u64,
    /// Times the kernel refused a new process or thread for the process limit.
    pub process_limit_hits: u64,
    /// True lengths of the streams up to the moment the run ended; at most one byte over the limit.
    pub stdout_bytes: u64,
    pub stderr_bytes: u64,
}

impl RunFacts {
    /// Whether the run took longer than its wall limit with all that it is granted on top. It need not have been killed
    /// for that: on a busy machine a program may end before anybody sees that it is too late.
    pub fn is_over_wall_time(&self, limits: &Limits) -> bool {
        let waited = self.waited_for_cpu.unwrap_or_default();
        self.wall_time > limits.wall_time_granting(waited)
    }

    /// Whether the run was over a time limit by so little that another one may well keep to it: then its test is run once
    /// more.
    ///
    /// That is a run that ended by itself within the margin over its limit, see [`Limits::with_margin`], or one that was
    /// killed by the wall clock and had waited much for a CPU. Never one that went beyond the margin, and never one that
    /// fails for another reason too.
    pub fn is_close_time_out(&self, limits: &Limits) -> bool {
        let fails_otherwise = self.oom_kills > 0
            || self.peak_memory_bytes > limits.memory_bytes
            || self.stdout_bytes.max(self.stderr_bytes) > limits.output_bytes;
        if fails_otherwise || self.cpu_time > Limits::with_margin(limits.cpu_time) {
            return false;
        }
        let waited = self.waited_for_cpu.unwrap_or_default();
        match self.end {
            RunEnd::Exited { .. } | RunEnd::Signalled { .. } => {
                let latest = Limits::with_margin(limits.wall_time_granting(waited));
                let over = self.cpu_time > limits.cpu_time || self.is_over_wall_time(limits);
                over && self.wall_time <= latest
            }
            RunEnd::Killed {
                limit: LimitKind::WallTime,
            } => self.cpu_time <= limits.cpu_time && waited >= limits.wall_time / 10,
            RunEnd::Killed { .. } | RunEnd::NotStarted { .. } => false,
        }
    }
}
