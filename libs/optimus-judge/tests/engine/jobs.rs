//! Random jobs: a submission, and what its program does each time it is executed.

use std::time::Duration;

use optimus_common::{
    facts::{LimitKind, MeasuredBy, RunEnd, RunFacts},
    language::Language,
    submission::Submission,
};
use optimus_judge::{plan::JobPlan, settings::ResultSettings, verdict::Program};
use optimus_testkit::languages;
use proptest::{collection::vec, prelude::*};
use serde_json::json;

/// Of each stream.
pub(crate) const OUTPUT_LIMIT: usize = 40;

/// What a program writes that writes more than that, again and again.
pub(crate) const BEYOND: &[u8] = b"x";

#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) submission: Submission,
    pub(crate) language: Language,
    pub(crate) plan: JobPlan,
    pub(crate) results: ResultSettings,
    /// `None` for a language that is not compiled.
    pub(crate) compile: Option<Compiling>,
    /// What each test's first and second execution do.
    pub(crate) tests: Vec<[Doing; 2]>,
}

#[derive(Debug, Clone)]
pub(crate) struct Compiling {
    pub(crate) doing: Doing,
    pub(crate) program: Program,
}

/// What an execution writes, and how it ends.
#[derive(Debug, Clone)]
pub(crate) struct Doing {
    /// What of it arrives.
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    pub(crate) facts: RunFacts,
}

fn facts(end: RunEnd, cpu_ms: u64, peak_mb: u64, stdout: usize, stderr: usize) -> RunFacts {
    RunFacts {
        end,
        cpu_time: Duration::from_millis(cpu_ms),
        cpu_time_from: MeasuredBy::Cgroup,
        wall_time: Duration::from_millis(cpu_ms + 1),
        waited_for_cpu: None,
        waited_for_io: None,
        held: Duration::ZERO,
        peak_memory_bytes: peak_mb << 20,
        peak_memory_from: MeasuredBy::Cgroup,
        oom_kills: 0,
        process_limit_hits: 0,
        stdout_bytes: stdout as u64,
        stderr_bytes: stderr as u64,
    }
}

/// Right more often than not, and then often a little late: of a limit of 5 s, with a margin of half a second.
fn doing(expected: &'static str) -> impl Strategy<Value = Doing> {
    let stdout = prop_oneof![
        6 => Just(expected.to_owned()),
        1 => Just("wrong".to_owned()),
        1 => Just(String::new()),
        1 => Just(String::from_utf8_lossy(BEYOND).repeat(OUTPUT_LIMIT + 20)),
    ];
    let stderr = prop_oneof![3 => Just(""), 1 => Just("a warning\n"), 1 => Just("what(): std::bad_alloc\n")];
    let end = prop_oneof![
        8 => Just(RunEnd::Exited { code: 0 }),
        1 => Just(RunEnd::Exited { code: 3 }),
        1 => Just(RunEnd::Signalled { signal: 6 }),
        1 => Just(RunEnd::Killed { limit: LimitKind::WallTime }),
    ];
    let cpu_ms = prop_oneof![4 => 1..5000_u64, 3 => 5001..=5500_u64, 1 => 5501..20_000_u64];
    let peak_mb = prop_oneof![6 => 1..20_u64, 1 => 30..60_u64, 1 => 65..100_u64];
    (stdout, stderr, end, cpu_ms, peak_mb, 0..=20_usize).prop_map(
        |(stdout, stderr, end, cpu_ms, peak_mb, beyond)| {
            let mut facts = facts(end, cpu_ms, peak_mb, stdout.len(), stderr.len());
            let mut stdout = stdout.into_bytes();
            if stdout.len() > OUTPUT_LIMIT {
                facts.end = RunEnd::Killed {
                    limit: LimitKind::Output,
                };
                stdout.truncate(OUTPUT_LIMIT + beyond);
            }
            Doing {
                stdout,
                stderr: stderr.as_bytes().to_vec(),
                facts,
            }
        },
    )
}

fn compiling() -> impl Strategy<Value = Option<Compiling>> {
    let ends_well = |program| {
        Just(Some(Compiling {
            doing: Doing {
                stdout: b"entry point: Main\n".to_vec(),
                stderr: b"a warning".to_vec(),
                facts: facts(RunEnd::Exited { code: 0 }, 900, 30, 18, 9),
            },
            program,
        }))
    };
    let fails = Just(Some(Compiling {
        doing: Doing {
            stdout: Vec::new(),
            stderr: b"an error".to_vec(),
            facts: facts(RunEnd::Exited { code: 1 }, 900, 30, 0, 8),
        },
        program: Program::Made,
    }));
    prop_oneof![
        4 => Just(None),
        6 => ends_well(Program::Made),
        1 => ends_well(Program::Missing),
        1 => ends_well(Program::AmongTooMany),
        1 => fails,
    ]
}

pub(crate) fn job() -> impl Strategy<Value = Job> {
    let expected = prop_oneof![Just("1\n"), Just("2  3\n"), Just("b\na\n")];
    let test = expected.prop_flat_map(|expected| {
        (
            Just(expected),
            [doing(expected), doing(expected)],
            0.5..9.0_f64,
            any::<bool>(),
        )
    });
    let checker = prop_oneof![
        Just(json!({"type": "lines"})),
        Just(json!({"type": "exact"})),
        Just(json!({"type": "tokens", "case_sensitive": true})),
        Just(json!({"type": "unordered_lines"})),
    ];
    // Of each stream, and of a whole result: often less than what is written.
    let kept = (
        prop_oneof![0..30_u64, Just(1 << 20)],
        prop_oneof![0..300_u64, Just(1 << 20)],
    );
    (vec(test, 1..7), compiling(), checker, any::<bool>(), kept).prop_map(|(tests, compile, checker, stop, kept)| {
        let cases: Vec<_> = (10..)
            .zip(&tests)
            .map(|(id, (expected, _, points, hidden))| {
                let input = format!("input {id}");
                json!({"id": id, "input": input, "expected_output": expected, "points": points, "hidden": hidden})
            })
            .collect();
        let submission: Submission = serde_json::from_value(json!({
            "language": "cpp", "source_code": "int main() {}", "checker": checker, "test_cases": cases,
            "stop_on_failure": stop, "timeout_ms": 5000, "memory_limit_mb": 64, "output_limit_bytes": OUTPUT_LIMIT,
        }))
        .unwrap();
        let language = languages::cpp();
        let limits = optimus_settings::defaults_of("limits");
        let mut results: ResultSettings = optimus_settings::defaults_of("results");
        (results.max_stream_bytes, results.max_job_bytes) = kept;
        let mut plan = JobPlan::new(&submission, &language, &limits).unwrap();
        if compile.is_none() {
            plan.compile = None;
            plan.made = optimus_protocol::Seal::default();
            plan.folders = Vec::new();
        }
        Job {
            submission,
            language,
            plan,
            results,
            compile,
            tests: tests.into_iter().map(|(_, doing, ..)| doing).collect(),
        }
    })
}
