//! The table of verdicts: facts and a check in, a verdict out, nothing else.
//!
//! The rows, first match wins: output limit, memory limit, time limit, runtime error, the checker. That Optimus
//! itself failed, or that the job was cancelled, is known elsewhere and comes before all of them.

use memchr::memmem;
use optimus_common::{
    counted,
    facts::{LimitKind, RunEnd, RunFacts},
    language::OutOfMemory,
    limits::Limits,
    result::{CompileVerdict, Verdict},
};
use optimus_protocol::MOST_ENTRIES;

use crate::{capture::Capture, compare::Check, signals};

const MIB: u64 = 1 << 20;

/// What the verdict on one run rests on.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    pub facts: &'a RunFacts,
    /// The limits it ran under.
    pub limits: &'a Limits,
    pub runtime: Runtime<'a>,
    pub stderr: &'a Capture,
}

/// What is known of the language's runtime.
#[derive(Debug, Clone, Copy, Default)]
pub struct Runtime<'a> {
    /// How it ends when it is out of memory.
    pub out_of_memory: &'a [OutOfMemory],
    /// What of the memory limit is its own.
    pub allowance_bytes: u64,
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
        let message = if wrote_too_large_a_file(evidence) {
            format!("{message} (disk_mb)")
        } else {
            message
        };
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

/// The verdict on a compile step that was started, and why it failed where the compiler itself cannot say it. Limits have
/// the names by which a language's `resources` set them.
pub fn judge_compile(evidence: Evidence<'_>, program: Program) -> (CompileVerdict, Option<String>) {
    if evidence.facts.end == (RunEnd::Exited { code: 0 }) {
        return match program {
            Program::Made => (CompileVerdict::Ok, None),
            Program::Missing => (
                CompileVerdict::CompilationError,
                Some("made no program that can be run; is there a main function?".to_owned()),
            ),
            Program::AmongTooMany => (
                CompileVerdict::CompilationError,
                Some(format!(
                    "left more than {MOST_ENTRIES} files and folders at the top of the work directory"
                )),
            ),
        };
    }
    let message = failure(evidence).map(|(verdict, message)| {
        if verdict == Verdict::MemoryLimitExceeded || wrote_too_large_a_file(evidence) {
            format!("{message} (compile_memory_mb)")
        } else if says_a_file_was_too_large(evidence) {
            format!(
                "{message}; it had no room for a file of more than {} MiB (compile_memory_mb)",
                evidence.limits.file_size_bytes / MIB
            )
        } else {
            message
        }
    });
    (CompileVerdict::CompilationError, message)
}

/// Whether a compile step that ended well has made what it is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    Made,
    Missing,
    /// It left more than [`MOST_ENTRIES`].
    AmongTooMany,
}

fn wrote_too_large_a_file(Evidence { facts, .. }: Evidence<'_>) -> bool {
    facts.end
        == RunEnd::Signalled {
            signal: signals::SIGXFSZ,
        }
}

/// Compilers have parts, and say of one that met the limit what became of it. A source may make them say anything, which
/// changes the words of a failure and nothing else.
fn says_a_file_was_too_large(Evidence { stderr, .. }: Evidence<'_>) -> bool {
    const WORDS: [&[u8]; 3] = [
        b"file size limit exceeded",
        b"file too large",
        b"no space left on device",
    ];
    stderr.last_lines().any(|line| {
        let line = line.to_ascii_lowercase();
        WORDS.iter().any(|words| memmem::find(&line, words).is_some())
    })
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
        "wrote more than {} to {stream}",
        counted(limits.output_bytes, "byte")
    ))
}

/// Exit code 137 alone proves nothing: any program may exit with it. Nor do words: any program may write them.
fn memory(evidence: Evidence<'_>) -> Option<String> {
    let Evidence { facts, limits, .. } = evidence;
    let killed = facts.end
        == RunEnd::Killed {
            limit: LimitKind::Memory,
        };
    let struck = facts.oom_kills > 0 && facts.end != RunEnd::Exited { code: 0 };
    if killed || struck || facts.peak_memory_bytes > limits.memory_bytes {
        return Some(format!(
            "used more than {} MiB of memory",
            limits.memory_bytes / MIB
        ));
    }
    let rules = evidence.runtime.out_of_memory;
    let believed = rules
        .iter()
        .any(|rule| is_end_of(rule, evidence) && facts.peak_memory_bytes >= least_used(rule, evidence));
    believed.then(|| {
        format!(
            "its runtime found no more memory within {} MiB",
            limits.memory_bytes / MIB
        )
    })
}

/// What a run whose runtime finds no more memory has used at least: what the runtime itself needs, and a third of what
/// the submission may use. What grows by doubling holds that much when the next step has no room.
fn least_used(rule: &OutOfMemory, Evidence { limits, runtime, .. }: Evidence<'_>) -> u64 {
    let asked_for = limits.memory_bytes.saturating_sub(runtime.allowance_bytes);
    rule.runtime_mb.saturating_mul(MIB).saturating_add(asked_for / 3)
}

/// Whether a run ended as the rule says that one does whose runtime finds no more memory.
fn is_end_of(rule: &OutOfMemory, evidence: Evidence<'_>) -> bool {
    let Evidence { facts, stderr, .. } = evidence;
    let ended = match (&facts.end, rule.exit_code, rule.signal.as_deref()) {
        (RunEnd::Exited { code }, Some(expected), None) => *code == expected,
        (RunEnd::Signalled { signal }, None, Some(expected)) => signals::name(*signal) == expected,
        _ => false,
    };
    let is_last = |pattern: &String| {
        let starts_with_text = |line: &&[u8]| line.first().is_some_and(|first| !first.is_ascii_whitespace());
        let last = stderr.last_lines().find(starts_with_text);
        matches(pattern, last.unwrap_or_default())
    };
    let is_there = |pattern: &String| stderr.last_lines().any(|line| matches(pattern, line));
    ended
        && rule.stderr_last_line.as_ref().is_none_or(is_last)
        && rule.stderr_line.as_ref().is_none_or(is_there)
}

/// Whether a line is as a pattern says, in which `*` stands for any bytes.
fn matches(pattern: &str, line: &[u8]) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else {
        return pattern.as_bytes() == line;
    };
    let Some(mut line) = line.strip_prefix(first.as_bytes()) else {
        return false;
    };
    let (between, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    for part in between.split('*') {
        let Some(at) = memmem::find(line, part.as_bytes()) else {
            return false;
        };
        line = &line[at + part.len()..];
    }
    line.ends_with(last.as_bytes())
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

fn death(evidence: Evidence<'_>) -> Option<String> {
    let Evidence { facts, limits, .. } = evidence;
    let message = match &facts.end {
        RunEnd::Exited { code: 0 } => return None,
        RunEnd::Exited { code } => format!("exited with code {code}"),
        RunEnd::Signalled {
            signal: signals::SIGXFSZ,
        } => format!(
            "died by SIGXFSZ: no file may have more than {} MiB",
            limits.file_size_bytes / MIB
        ),
        RunEnd::Signalled { signal } => format!("died by {}", signals::name(*signal)),
        RunEnd::NotStarted { error } => format!("could not be started: {error}"),
        RunEnd::Killed { limit } => unreachable!("a kill for {limit:?} is a verdict of its own"),
        RunEnd::Stopped => "was stopped".to_owned(),
    };
    if facts.process_limit_hits > 0 {
        return Some(format!(
            "{message}; it had run into the limit of {}",
            counted(limits.processes, "process")
        ));
    }
    let rules = evidence.runtime.out_of_memory;
    if rules.iter().any(|rule| is_end_of(rule, evidence)) {
        return Some(format!(
            "{message}; it says that it found no more memory, and used {} of {} MiB",
            facts.peak_memory_bytes / MIB,
            limits.memory_bytes / MIB
        ));
    }
    Some(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_in_a_pattern_is_any_bytes() {
        for (pattern, line, fits) in [
            ("MemoryError", "MemoryError", true),
            ("MemoryError", "MemoryError: x", false),
            ("MemoryError*", "MemoryError: x", true),
            ("MemoryError*", "PoolMemoryError", false),
            ("a * b", "a  b", true),
            ("a * b", "a b", false),
            ("a * b", "a 1 2 b", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("a*b*b", "ab", false),
            ("*x*", "..x", true),
            ("*", "", true),
            ("**", "any", true),
            ("ab*ba", "aba", false),
        ] {
            assert_eq!(matches(pattern, line.as_bytes()), fits, "{pattern} {line}");
        }
    }
}
