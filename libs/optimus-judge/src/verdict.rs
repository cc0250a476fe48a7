//! The table of verdicts: facts and a check in, a verdict out, nothing else.
//!
//! The rows, first match wins: output limit, memory limit, time limit, runtime error, the checker. That Optimus
//! itself failed, or that the job was cancelled, is known elsewhere and comes before all of them.

use optimus_common::{
    facts::{LimitKind, RunEnd, RunFacts},
    language::OutOfMemory,
    limits::Limits,
    result::{CompileVerdict, Verdict},
};

use crate::{capture::Capture, compare::Check, signals};

/// What the verdict on one run rests on.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    pub facts: &'a RunFacts,
    /// The limits it ran under.
    pub limits: &'a Limits,
    /// How the language's runtime ends when it is out of memory.
    pub out_of_memory: &'a [OutOfMemory],
    pub stderr: &'a Capture,
}

/// A verdict, and what lies behind it in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    pub verdict: Verdict,
    pub message: Option<String>,
}

/// The verdict on one run. `check` is asked only where everything else was right.
pub fn judge(evidence: Evidence<'_>, check: impl FnOnce() -> Check) -> Judgement {
    if let Some((verdict, message)) = failure(evidence) {
        return Judgement {
            verdict,
            message: Some(message),
        };
    }
    match check() {
        Check::Accepted => Judgement {
            verdict: Verdict::Accepted,
            message: None,
        },
        Check::Refused { message } => Judgement {
            verdict: Verdict::WrongAnswer,
            message: Some(message),
        },
    }
}

/// The verdict on a compile step that was started, and why it failed where the compiler itself cannot say it.
pub fn judge_compile(evidence: Evidence<'_>) -> (CompileVerdict, Option<String>) {
    if evidence.facts.end == (RunEnd::Exited { code: 0 }) {
        return (CompileVerdict::Ok, None);
    }
    (
        CompileVerdict::CompilationError,
        failure(evidence).map(|(_, message)| message),
    )
}

fn failure(evidence: Evidence<'_>) -> Option<(Verdict, String)> {
    None.or_else(|| output(evidence).map(|message| (Verdict::OutputLimitExceeded, message)))
        .or_else(|| memory(evidence).map(|message| (Verdict::MemoryLimitExceeded, message)))
        .or_else(|| time(evidence).map(|message| (Verdict::TimeLimitExceeded, message)))
        .or_else(|| death(evidence).map(|message| (Verdict::RuntimeError, message)))
}

fn output(Evidence { facts, limits, .. }: Evidence<'_>) -> Option<String> {
    let killed = facts.end
        == RunEnd::Killed {
            limit: LimitKind::Output,
        };
    let stream = if facts.stdout_bytes > limits.output_bytes {
        "standard output"
    } else if facts.stderr_bytes > limits.output_bytes {
        "standard error"
    } else if killed {
        "its output"
    } else {
        return None;
    };
    Some(format!(
        "wrote more than {} bytes to {stream}",
        limits.output_bytes
    ))
}

/// Exit code 137 alone proves nothing: any program may exit with it.
fn memory(evidence: Evidence<'_>) -> Option<String> {
    let Evidence {
        facts,
        limits,
        out_of_memory,
        stderr,
    } = evidence;
    let killed = facts.end
        == RunEnd::Killed {
            limit: LimitKind::Memory,
        };
    let struck = facts.oom_kills > 0 && facts.end != RunEnd::Exited { code: 0 };
    if killed || struck || facts.peak_memory_bytes > limits.memory_bytes {
        return Some(format!(
            "used more than {} MiB of memory",
            limits.memory_bytes >> 20
        ));
    }
    let matched = out_of_memory.iter().any(|rule| matches(rule, &facts.end, stderr));
    matched.then(|| {
        format!(
            "its runtime found no more memory within {} MiB",
            limits.memory_bytes >> 20
        )
    })
}

fn matches(rule: &OutOfMemory, end: &RunEnd, stderr: &Capture) -> bool {
    let ended = match (end, rule.exit_code, rule.signal.as_deref()) {
        (RunEnd::Exited { code }, Some(expected), None) => *code == expected,
        (RunEnd::Signalled { signal }, None, Some(expected)) => signals::name(*signal) == expected,
        _ => false,
    };
    ended
        && rule
            .stderr_contains
            .as_ref()
            .is_none_or(|part| stderr.contains(part))
}

/// CPU time is what the client asked for: it is named where both clocks ran out. Whether a run that went over a limit was
/// killed for it, or ended before anybody saw it, is chance, and decides nothing.
fn time(Evidence { facts, limits, .. }: Evidence<'_>) -> Option<String> {
    let killed = |limit| facts.end == RunEnd::Killed { limit };
    let stopped = facts.end
        == RunEnd::Signalled {
            signal: signals::SIGXCPU,
        };
    if facts.cpu_time > limits.cpu_time
        || killed(LimitKind::CpuTime)
        || stopped && facts.cpu_time == limits.cpu_time
    {
        return Some(format!(
            "used more than {} ms of CPU time",
            limits.cpu_time.as_millis()
        ));
    }
    (killed(LimitKind::WallTime) || facts.is_over_wall_time(limits))
        .then(|| format!("ran longer than {} ms of wall time", limits.wall_time.as_millis()))
}

fn death(Evidence { facts, limits, .. }: Evidence<'_>) -> Option<String> {
    let message = match &facts.end {
        RunEnd::Exited { code: 0 } => return None,
        RunEnd::Exited { code } => format!("exited with code {code}"),
        RunEnd::Signalled { signal } => format!("died by {}", signals::name(*signal)),
        RunEnd::NotStarted { error } => format!("could not be started: {error}"),
        RunEnd::Killed { limit } => unreachable!("a kill for {limit:?} is a verdict of its own"),
    };
    Some(match facts.process_limit_hits {
        0 => message,
        _ => format!(
            "{message}; it had run into the limit of {} processes",
            limits.processes
        ),
    })
}
