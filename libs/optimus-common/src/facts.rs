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
    /// The agent killed the tree because the worker asked it to.
    Stopped,
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
pub enum MeasuredBy {
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
    pub cpu_time_from: MeasuredBy,
    /// From just before the start of the first process to its end, or to the kill.
    #[serde(rename = "wall_time_us", with = "units::us")]
    #[cfg_attr(feature = "openapi", schema(value_type = u64))]
    pub wall_time: Duration,
    /// How long the thread that waited longest in all did so for a CPU, as it was last seen; `null` where nobody looked, as for
    /// a run of a few milliseconds, or where the kernel does not count it.
    #[serde(rename = "waited_for_cpu_us", with = "units::optional_us")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<u64>))]
    pub waited_for_cpu: Option<Duration>,
    /// How long the same thread waited for a disk, likewise; `null` where nobody looked or the kernel does not
    /// count it.
    #[serde(rename = "waited_for_io_us", with = "units::optional_us", default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<u64>))]
    pub waited_for_io: Option<Duration>,
    /// How long the program was held up because what it had written was not read. Its wall clock stood still: this is no
    /// part of its wall time.
    #[serde(rename = "held_us", with = "units::us", default)]
    #[cfg_attr(feature = "openapi", schema(value_type = u64))]
    pub held: Duration,
    /// Largest memory of the whole tree at any one time: what its processes have touched, and its files in memory.
    pub peak_memory_bytes: u64,
    pub peak_memory_from: MeasuredBy,
    /// Processes the kernel's OOM killer struck in the run's cgroup.
    pub oom_kills: u64,
    /// Times the kernel refused a new process or thread for the process limit.
    pub process_limit_hits: u64,
    /// True lengths of the streams up to the moment the run ended; at most one byte over the limit.
    pub stdout_bytes: u64,
    pub stderr_bytes: u64,
}

impl RunFacts {
    /// Of a run that never had a process.
    pub fn not_begun(end: RunEnd) -> Self {
        Self {
            end,
            cpu_time: Duration::ZERO,
            cpu_time_from: MeasuredBy::Rusage,
            wall_time: Duration::ZERO,
            waited_for_cpu: None,
            waited_for_io: None,
            held: Duration::ZERO,
            peak_memory_bytes: 0,
            peak_memory_from: MeasuredBy::Rusage,
            oom_kills: 0,
            process_limit_hits: 0,
            stdout_bytes: 0,
            stderr_bytes: 0,
        }
    }

    /// Whether the run took longer than its wall limit with all that it is granted on top. It need not have been killed
    /// for that: on a busy machine a program may end before anybody sees that it is too late.
    pub fn is_over_wall_time(&self, limits: &Limits) -> bool {
        self.wall_time > limits.wall_time_granting(self.waited())
    }

    /// What the run is granted on top of its wall limit.
    fn waited(&self) -> Duration {
        let waited = [self.waited_for_cpu, self.waited_for_io];
        waited.into_iter().flatten().sum()
    }

    /// Whether the run was over a time limit by so little that another one may well keep to it: then its test may be run
    /// once more, if its output was right.
    ///
    /// That is a run that ended by itself, with success, within the margin over its limit, see [`Limits::with_margin`]. Never
    /// one that went beyond the margin or was killed, and never one that fails for another reason too: the first try may tell
    /// the second one what it likes, and nothing of it is worth more than the margin.
    pub fn is_marginal_timeout(&self, limits: &Limits) -> bool {
        let fails_otherwise = self.end != (RunEnd::Exited { code: 0 })
            || self.oom_kills > 0
            || self.peak_memory_bytes > limits.memory_bytes
            || self.stdout_bytes.max(self.stderr_bytes) > limits.output_bytes;
        if fails_otherwise || self.cpu_time > Limits::with_margin(limits.cpu_time) {
            return false;
        }
        let latest = Limits::with_margin(limits.wall_time_granting(self.waited()));
        let over = self.cpu_time > limits.cpu_time || self.is_over_wall_time(limits);
        over && self.wall_time <= latest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    const LIMITS: Limits = Limits {
        cpu_time: Duration::from_secs(1),
        wall_time: Duration::from_secs(3),
        memory_bytes: 100,
        output_bytes: 10,
        processes: 1,
        open_files: 1,
        file_size_bytes: 1,
    };

    fn facts(end: RunEnd, cpu_time: Duration, wall_time: Duration) -> RunFacts {
        RunFacts {
            end,
            cpu_time,
            cpu_time_from: MeasuredBy::Cgroup,
            wall_time,
            waited_for_cpu: None,
            waited_for_io: None,
            held: Duration::ZERO,
            peak_memory_bytes: 100,
            peak_memory_from: MeasuredBy::Cgroup,
            oom_kills: 0,
            process_limit_hits: 0,
            stdout_bytes: 10,
            stderr_bytes: 10,
        }
    }

    const EXITED: RunEnd = RunEnd::Exited { code: 0 };

    fn killed(limit: LimitKind) -> RunEnd {
        RunEnd::Killed { limit }
    }

    #[test]
    fn what_ended_with_success_within_the_margin_is_close() {
        for (cpu_ms, wall_ms, close) in [
            (900, 900, false),
            (1000, 1000, false),
            (1001, 1001, true),
            (1100, 1100, true),
            (1101, 1101, false),
            (500, 3000, false),
            (500, 3001, true),
            (500, 3300, true),
            (500, 3301, false),
            (1050, 3301, false),
            (1101, 3001, false),
        ] {
            let facts = facts(EXITED, MS * cpu_ms, MS * wall_ms);
            assert_eq!(facts.is_marginal_timeout(&LIMITS), close, "{facts:?}");
        }
    }

    #[test]
    fn waiting_is_granted_also_to_what_ended_by_itself() {
        let mut facts = facts(EXITED, MS * 500, MS * 3500);
        assert!(facts.is_over_wall_time(&LIMITS) && !facts.is_marginal_timeout(&LIMITS));
        facts.waited_for_cpu = Some(MS * 400);
        assert!(facts.is_over_wall_time(&LIMITS) && facts.is_marginal_timeout(&LIMITS));
        facts.waited_for_io = Some(MS * 100);
        assert!(!facts.is_over_wall_time(&LIMITS) && !facts.is_marginal_timeout(&LIMITS));
    }

    #[test]
    fn what_did_not_end_with_success_is_never_close() {
        for end in [
            RunEnd::Exited { code: 1 },
            RunEnd::Signalled { signal: 11 },
            killed(LimitKind::CpuTime),
            killed(LimitKind::WallTime),
            killed(LimitKind::Memory),
            killed(LimitKind::Output),
            RunEnd::Stopped,
        ] {
            for (cpu_ms, wall_ms) in [(1050, 1050), (500, 3200)] {
                let mut facts = facts(EXITED, MS * cpu_ms, MS * wall_ms);
                assert!(facts.is_marginal_timeout(&LIMITS), "{facts:?}");
                facts.end = end.clone();
                assert!(!facts.is_marginal_timeout(&LIMITS), "{facts:?}");
            }
        }
    }

    #[test]
    fn what_fails_otherwise_too_is_not_close() {
        let close = facts(EXITED, MS * 1050, MS * 1050);
        assert!(close.is_marginal_timeout(&LIMITS));
        let failing: [fn(&mut RunFacts); 4] = [
            |facts| facts.oom_kills = 1,
            |facts| facts.peak_memory_bytes += 1,
            |facts| facts.stdout_bytes += 1,
            |facts| facts.stderr_bytes += 1,
        ];
        for fail in failing {
            let mut facts = close.clone();
            fail(&mut facts);
            assert!(!facts.is_marginal_timeout(&LIMITS), "{facts:?}");
        }
    }
}
