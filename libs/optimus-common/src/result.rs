//! What a client reads back: verdicts and measurements.

use serde::{Deserialize, Serialize};

use crate::{facts::RunFacts, limits::Limits, payload::Base64Bytes};

/// The verdict of one test, or of a whole job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Accepted,
    WrongAnswer,
    TimeLimitExceeded,
    MemoryLimitExceeded,
    OutputLimitExceeded,
    RuntimeError,
    CompilationError,
    /// Not run, because an earlier test failed and `stop_on_failure` was set.
    Skipped,
    Cancelled,
    /// Optimus failed, not the program.
    InternalError,
}

impl Verdict {
    pub const ALL: [Self; 10] = [
        Self::Accepted,
        Self::WrongAnswer,
        Self::TimeLimitExceeded,
        Self::MemoryLimitExceeded,
        Self::OutputLimitExceeded,
        Self::RuntimeError,
        Self::CompilationError,
        Self::Skipped,
        Self::Cancelled,
        Self::InternalError,
    ];

    /// The name on the wire, in metrics and in file names.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::WrongAnswer => "wrong_answer",
            Self::TimeLimitExceeded => "time_limit_exceeded",
            Self::MemoryLimitExceeded => "memory_limit_exceeded",
            Self::OutputLimitExceeded => "output_limit_exceeded",
            Self::RuntimeError => "runtime_error",
            Self::CompilationError => "compilation_error",
            Self::Skipped => "skipped",
            Self::Cancelled => "cancelled",
            Self::InternalError => "internal_error",
        }
    }
}

/// The verdict in the words of the original interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum OverallStatus {
    /// Every test accepted.
    Success,
    /// At least one test not accepted.
    Failed,
    CompilationError,
    InternalError,
    Cancelled,
}

/// The result of a job in a terminal state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JobResult {
    pub overall_status: OverallStatus,
    /// That of the first test, in the order submitted, that is not accepted; else `accepted`.
    pub verdict: Verdict,
    /// Points of the accepted tests divided by all points, 0 to 1. `null` where nothing was graded
    /// (`internal_error`, `cancelled`): a failure of Optimus is not a score of 0.
    pub score: Option<f64>,
    pub total_tests: u32,
    pub passed_tests: u32,
    /// What the tests ran: the file that the program started with, or what the compile step says it chose, such as
    /// Java's main class. Not there where that is no question, as when a linker finds `main`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry_point: Option<String>,
    /// `null` where the job ended before its compile step did.
    pub compile: Option<CompileResult>,
    /// One for each test case, in the order submitted; empty after a failed compile step or where nothing ran.
    pub test_results: Vec<TestResult>,
}

impl JobResult {
    /// The result of a job that ended without being graded.
    pub fn not_graded(status: OverallStatus, verdict: Verdict, total_tests: u32) -> Self {
        Self {
            overall_status: status,
            verdict,
            score: None,
            total_tests,
            passed_tests: 0,
            entry_point: None,
            compile: None,
            test_results: Vec::new(),
        }
    }
}

/// How the compile step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum CompileVerdict {
    /// Compiled, or the language has no compile step.
    Ok,
    CompilationError,
}

/// The compile step; for a language without one all is zero and empty.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CompileResult {
    pub verdict: CompileVerdict,
    /// The compiler's own output, invalid UTF-8 replaced, cut at the configured length.
    pub stdout: String,
    pub stderr: String,
    /// Wall time.
    pub execution_time_ms: u64,
    pub cpu_time_ms: u64,
    pub peak_memory_bytes: u64,
    /// Whether the text above is shorter than what the compiler wrote. That fails no compile step.
    #[serde(default)]
    pub stdout_truncated: bool,
    #[serde(default)]
    pub stderr_truncated: bool,
    /// Why it failed, where the compiler's own output does not say it (a limit, a signal, no program); else how much of that
    /// output is left out.
    pub message: Option<String>,
    /// What the verdict rests on; `null` for a language without a compile step.
    #[serde(default)]
    pub evidence: Option<Box<RunEvidence>>,
}

/// What a verdict rests on: what was counted, against which limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RunEvidence {
    pub facts: RunFacts,
    /// What it ran under, the language's multipliers and allowances included.
    pub limits: Limits,
    /// The first try, where the test was run again because its time-out was close. The second one has decided; `facts`
    /// and everything else in the result are of that one.
    pub earlier: Option<RunFacts>,
}

/// One test case's result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TestResult {
    pub test_id: u64,
    /// Whether `verdict` is `accepted`.
    pub passed: bool,
    pub verdict: Verdict,
    /// What the program wrote, invalid UTF-8 replaced, cut at the configured length.
    pub stdout: String,
    pub stderr: String,
    /// The same bytes exactly, where they are not UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = Byte))]
    pub stdout_base64: Option<Base64Bytes>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = Byte))]
    pub stderr_base64: Option<Base64Bytes>,
    /// Wall time.
    pub execution_time_ms: u64,
    /// User and system time of all threads and descendants.
    pub cpu_time_ms: u64,
    /// Largest resident memory of the whole process tree.
    pub peak_memory_bytes: u64,
    /// `null` unless the program ended by itself with `exit`.
    pub exit_code: Option<i32>,
    /// The signal's name, such as `SIGSEGV`; `null` unless the program died by one that Optimus did not send.
    pub signal: Option<String>,
    /// Whether the text above is shorter than what the program wrote. The checker always sees all of it.
    pub stdout_truncated: bool,
    pub stderr_truncated: bool,
    /// What lies behind the verdict, in words.
    pub message: Option<String>,
    /// What the verdict rests on, in numbers; `null` where nothing ran.
    #[serde(default)]
    pub evidence: Option<Box<RunEvidence>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As it was stored before results had evidence.
    #[test]
    fn a_result_without_evidence_is_still_read() {
        let old = r#"{
            "overall_status": "success", "verdict": "accepted", "score": 1.0, "total_tests": 1, "passed_tests": 1,
            "compile": {"verdict": "ok", "stdout": "", "stderr": "", "execution_time_ms": 0, "cpu_time_ms": 0,
                        "peak_memory_bytes": 0, "message": null},
            "test_results": [{"test_id": 1, "passed": true, "verdict": "accepted", "stdout": "hi", "stderr": "",
                              "execution_time_ms": 14, "cpu_time_ms": 11, "peak_memory_bytes": 9437184, "exit_code": 0,
                              "signal": null, "stdout_truncated": false, "stderr_truncated": false, "message": null}]
        }"#;
        let result: JobResult = serde_json::from_str(old).expect("it was valid then");
        assert_eq!(result.test_results[0].evidence, None);
        let compile = result.compile.expect("it is there");
        assert_eq!((compile.evidence, compile.stderr_truncated), (None, false));
    }
}
