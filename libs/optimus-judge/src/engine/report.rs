//! The parts of a job's result.

use std::time::Duration;

use optimus_common::{
    counted,
    facts::{RunEnd, RunFacts},
    limits::Limits,
    result::{CompileResult, CompileVerdict, JobResult, OverallStatus, RunEvidence, TestResult, Verdict},
    submission::{Submission, TestCase},
};

use super::streams::Streams;
use crate::{
    signals,
    verdict::{self, Evidence, Judgement, Program, Runtime},
};

/// As long as a file's name may be, and some packages more.
const LONGEST_ENTRY_POINT: usize = 512;

/// How a compile step begins the line that says which program it chose.
const ENTRY_POINT_TOLD: &str = "entry point: ";

pub(super) fn test_result(
    test: &TestCase,
    facts: &RunFacts,
    limits: &Limits,
    Judgement { verdict, message }: Judgement,
    streams: Streams,
    earlier: Option<RunFacts>,
) -> TestResult {
    let stdout = streams.stdout.into_captured();
    let stderr = streams.stderr.into_captured();
    TestResult {
        test_id: test.id,
        passed: verdict == Verdict::Accepted,
        verdict,
        stdout: stdout.text,
        stderr: stderr.text,
        stdout_base64: stdout.base64,
        stderr_base64: stderr.base64,
        execution_time_ms: ms(facts.wall_time),
        cpu_time_ms: ms(facts.cpu_time),
        peak_memory_bytes: facts.peak_memory_bytes,
        exit_code: match facts.end {
            RunEnd::Exited { code } => Some(code),
            _ => None,
        },
        signal: match facts.end {
            RunEnd::Signalled { signal } => Some(signals::name(signal).into_owned()),
            _ => None,
        },
        stdout_truncated: stdout.truncated,
        stderr_truncated: stderr.truncated,
        message,
        evidence: Some(Box::new(RunEvidence {
            facts: facts.clone(),
            limits: *limits,
            earlier,
        })),
    }
}

pub(super) fn compile_result(
    facts: RunFacts,
    limits: &Limits,
    output: Streams,
    program: Program,
) -> CompileResult {
    let evidence = Evidence {
        facts: &facts,
        limits,
        runtime: Runtime::default(),
        stderr: &output.stderr,
    };
    let (verdict, message) = verdict::judge_compile(evidence, program);
    let stdout = output.stdout.into_captured();
    let stderr = output.stderr.into_captured();
    let left_out = [
        ("standard output", &stdout, facts.stdout_bytes),
        ("standard error", &stderr, facts.stderr_bytes),
    ]
    .into_iter()
    .filter(|(_, captured, _)| captured.truncated)
    .map(|(stream, captured, written)| {
        let kept = captured.text.len();
        let written = counted(written, "byte");
        format!("wrote {written} to {stream}, of which {kept} are kept")
    });
    let messages: Vec<_> = message.into_iter().chain(left_out).collect();
    CompileResult {
        verdict,
        stdout: stdout.text,
        stderr: stderr.text,
        execution_time_ms: ms(facts.wall_time),
        cpu_time_ms: ms(facts.cpu_time),
        peak_memory_bytes: facts.peak_memory_bytes,
        stdout_truncated: stdout.truncated,
        stderr_truncated: stderr.truncated,
        message: (!messages.is_empty()).then(|| messages.join("; ")),
        evidence: Some(Box::new(RunEvidence {
            facts,
            limits: *limits,
            earlier: None,
        })),
    }
}

/// The compile step of a language that has none.
pub(super) fn not_needed() -> CompileResult {
    CompileResult {
        verdict: CompileVerdict::Ok,
        stdout: String::new(),
        stderr: String::new(),
        execution_time_ms: 0,
        cpu_time_ms: 0,
        peak_memory_bytes: 0,
        stdout_truncated: false,
        stderr_truncated: false,
        message: None,
        evidence: None,
    }
}

pub(super) fn skipped(test: &TestCase) -> TestResult {
    TestResult {
        test_id: test.id,
        passed: false,
        verdict: Verdict::Skipped,
        stdout: String::new(),
        stderr: String::new(),
        stdout_base64: None,
        stderr_base64: None,
        execution_time_ms: 0,
        cpu_time_ms: 0,
        peak_memory_bytes: 0,
        exit_code: None,
        signal: None,
        stdout_truncated: false,
        stderr_truncated: false,
        message: None,
        evidence: None,
    }
}

/// What a compile step that chose among several programs says of its choice, in a line of its standard output.
pub(super) fn told_entry_point(compile: &CompileResult) -> Option<&str> {
    compile
        .stdout
        .lines()
        .find_map(|line| line.strip_prefix(ENTRY_POINT_TOLD))
        .filter(|name| name.len() <= LONGEST_ENTRY_POINT)
}

pub(super) fn not_compiled(submission: &Submission, compile: CompileResult) -> JobResult {
    JobResult {
        overall_status: OverallStatus::CompilationError,
        verdict: Verdict::CompilationError,
        score: Some(0.0),
        total_tests: count(submission.test_cases.len()),
        passed_tests: 0,
        entry_point: None,
        compile: Some(compile),
        test_results: Vec::new(),
    }
}

pub(super) fn graded(
    submission: &Submission,
    compile: CompileResult,
    test_results: Vec<TestResult>,
) -> JobResult {
    let first_failure = test_results.iter().find(|result| !result.passed);
    let verdict = first_failure.map_or(Verdict::Accepted, |result| result.verdict);
    let overall_status = match first_failure {
        None => OverallStatus::Success,
        Some(_) => OverallStatus::Failed,
    };
    JobResult {
        overall_status,
        verdict,
        score: Some(score(submission, &test_results)),
        total_tests: count(test_results.len()),
        passed_tests: count(test_results.iter().filter(|result| result.passed).count()),
        entry_point: None,
        compile: Some(compile),
        test_results,
    }
}

/// Points of the accepted tests divided by all points; exactly 1 where all are accepted.
fn score(submission: &Submission, test_results: &[TestResult]) -> f64 {
    let tests = || submission.test_cases.iter().zip(test_results);
    let all: f64 = tests().map(|(test, _)| test.points()).sum();
    let passed: f64 = tests()
        .map(|(test, result)| if result.passed { test.points() } else { 0.0 })
        .sum();
    passed / all
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
