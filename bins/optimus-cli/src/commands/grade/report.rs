//! What came of it: a row for each program.

use optimus_common::{
    counted,
    payload::Base64Bytes,
    result::{CompileResult, CompileVerdict, JobResult, TestResult, Verdict},
};
use serde::Serialize;

use super::{
    candidates::Candidate,
    details::Detail,
    problem::{Limit, Problem},
    runs::ProgramOutcome,
};
use crate::{
    commands::jobs::spaced,
    exit::Exit,
    output::{harmless, mebibytes, table},
};

/// Characters of a cell's text; `--json` has all of it.
const CELL: usize = 64;

/// The whole result, as `--json` prints it.
#[derive(Debug, Serialize)]
pub(super) struct GradeReport<'a> {
    problem: &'a str,
    tests: usize,
    /// CPU time of one test.
    time_limit_ms: u64,
    time_limit_from: &'a str,
    backend: &'a str,
    /// What of the problem was passed over.
    notes: &'a [String],
    solutions: Vec<Row<'a>>,
}

#[derive(Debug, Serialize)]
struct Row<'a> {
    name: &'a str,
    language: Option<&'a str>,
    /// `null` where it was not graded.
    verdict: Option<Verdict>,
    /// Why it was not.
    not_graded: Option<&'a str>,
    passed_tests: u32,
    total_tests: u32,
    score: Option<f64>,
    slowest_cpu_time_ms: Option<u64>,
    peak_memory_bytes: Option<u64>,
    /// The first test that is not accepted.
    first_failure: Option<Test<'a>>,
    /// The folder the program is in, or what it says of itself.
    expected: Option<&'a str>,
    /// Where nothing is expected, whether it is accepted; `null` where it was not graded.
    as_expected: Option<bool>,
    /// In which way it is not.
    unexpected: Option<String>,
    /// The compile step, where it failed.
    compile: Option<&'a CompileResult>,
    results: Vec<Test<'a>>,
}

#[derive(Debug, Clone, Serialize)]
struct Test<'a> {
    name: &'a str,
    verdict: Verdict,
    cpu_time_ms: u64,
    execution_time_ms: u64,
    peak_memory_bytes: u64,
    message: Option<&'a str>,
    /// Of a test that failed, where it was asked for.
    #[serde(flatten)]
    ended: Option<Ended<'a>>,
}

/// How a run ended, and what it wrote, in the words of `GET /jobs/:id`.
#[derive(Debug, Clone, Serialize)]
struct Ended<'a> {
    exit_code: Option<i32>,
    signal: Option<&'a str>,
    stdout: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    stdout_base64: Option<&'a Base64Bytes>,
    stdout_truncated: bool,
    stderr: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    stderr_base64: Option<&'a Base64Bytes>,
    stderr_truncated: bool,
}

impl<'a> From<&'a TestResult> for Ended<'a> {
    fn from(test: &'a TestResult) -> Self {
        Self {
            exit_code: test.exit_code,
            signal: test.signal.as_deref(),
            stdout: &test.stdout,
            stdout_base64: test.stdout_base64.as_ref(),
            stdout_truncated: test.stdout_truncated,
            stderr: &test.stderr,
            stderr_base64: test.stderr_base64.as_ref(),
            stderr_truncated: test.stderr_truncated,
        }
    }
}

impl<'a> GradeReport<'a> {
    pub(super) fn new(
        problem: &'a Problem,
        limit: &'a Limit,
        backend: &'a str,
        candidates: &'a [Candidate],
        outcomes: &'a [ProgramOutcome],
        detail: Detail,
    ) -> Self {
        let solutions = candidates
            .iter()
            .zip(outcomes)
            .map(|(candidate, outcome)| row(candidate, outcome, &problem.names, detail))
            .collect();
        Self {
            problem: &problem.name,
            tests: problem.names.len(),
            time_limit_ms: limit.ms,
            time_limit_from: &limit.from,
            backend,
            notes: &problem.notes,
            solutions,
        }
    }

    /// A verdict that differs goes first: it stays, whatever the others come to.
    pub(super) fn exit(&self) -> Exit {
        let any = |state| self.solutions.iter().any(|row| row.as_expected == state);
        if any(Some(false)) {
            Exit::NotAccepted
        } else if any(None) {
            Exit::NotGraded
        } else {
            Exit::Done
        }
    }

    pub(super) fn text(&self) -> String {
        let mut columns = vec![
            "solution",
            "language",
            "verdict",
            "tests",
            "CPU",
            "memory",
            "first failure",
            "expected",
        ];
        // The last one is worth its room only where something is expected.
        if !self.expects() {
            columns.pop();
        }
        let mut table = table(&columns);
        for row in &self.solutions {
            table.add_row(row.cells().into_iter().take(columns.len()));
        }
        let head = format!(
            "{}: {}, {} ms of CPU time each ({}), {} boxes",
            harmless(self.problem),
            counted(self.tests, "test"),
            self.time_limit_ms,
            harmless(self.time_limit_from),
            self.backend
        );
        format!("{head}\n{table}\n{}\n", self.summary())
    }

    fn expects(&self) -> bool {
        self.solutions.iter().any(|row| row.expected.is_some())
    }

    fn summary(&self) -> String {
        let count = |state| {
            self.solutions
                .iter()
                .filter(|row| row.as_expected == state)
                .count()
        };
        let (right, wrong) = if self.expects() {
            ("as expected", "not as expected")
        } else {
            ("accepted", "not accepted")
        };
        let mut parts = vec![format!(
            "{} of {} {right}",
            count(Some(true)),
            self.solutions.len()
        )];
        for (state, what) in [(Some(false), wrong), (None, "not graded")] {
            if count(state) > 0 {
                parts.push(format!("{} {what}", count(state)));
            }
        }
        parts.join(", ")
    }
}

fn row<'a>(
    candidate: &'a Candidate,
    outcome: &'a ProgramOutcome,
    names: &'a [String],
    detail: Detail,
) -> Row<'a> {
    let mut row = Row {
        name: &candidate.name,
        language: candidate.language(),
        verdict: None,
        not_graded: None,
        passed_tests: 0,
        total_tests: u32::try_from(names.len()).unwrap_or(u32::MAX),
        score: None,
        slowest_cpu_time_ms: None,
        peak_memory_bytes: None,
        first_failure: None,
        expected: candidate
            .expectation
            .as_ref()
            .map(|expectation| expectation.label.as_str()),
        as_expected: None,
        unexpected: None,
        compile: None,
        results: Vec::new(),
    };
    match outcome {
        ProgramOutcome::NotGraded(why) => row.not_graded = Some(why),
        ProgramOutcome::Graded(result) => {
            row.verdict = Some(result.verdict);
            row.passed_tests = result.passed_tests;
            row.score = result.score;
            row.compile = result
                .compile
                .as_ref()
                .filter(|compile| compile.verdict != CompileVerdict::Ok);
            row.results = tests(result, names, detail);
            row.slowest_cpu_time_ms = row.results.iter().map(|test| test.cpu_time_ms).max();
            row.peak_memory_bytes = row.results.iter().map(|test| test.peak_memory_bytes).max();
            row.first_failure = row
                .results
                .iter()
                .find(|test| test.verdict != Verdict::Accepted)
                .cloned();
            row.unexpected = match &candidate.expectation {
                Some(expectation) => expectation.check(result, names).err(),
                None if result.verdict == Verdict::Accepted => None,
                None => Some("it is not accepted".to_owned()),
            };
            row.as_expected = Some(row.unexpected.is_none());
        }
    }
    row
}

fn tests<'a>(result: &'a JobResult, names: &'a [String], detail: Detail) -> Vec<Test<'a>> {
    names
        .iter()
        .zip(&result.test_results)
        .map(|(name, test)| Test {
            name,
            verdict: test.verdict,
            cpu_time_ms: test.cpu_time_ms,
            execution_time_ms: test.execution_time_ms,
            peak_memory_bytes: test.peak_memory_bytes,
            message: test.message.as_deref(),
            ended: (detail == Detail::FailedTests && test.verdict != Verdict::Accepted).then(|| test.into()),
        })
        .collect()
}

impl Row<'_> {
    fn cells(&self) -> [String; 8] {
        let verdict = match (self.verdict, self.not_graded) {
            (Some(verdict), _) => spaced(verdict),
            (None, why) => format!("not graded: {}", why.unwrap_or_default()),
        };
        let failure = self.first_failure.as_ref().map(|test| {
            let message = test.message.map_or_else(|| spaced(test.verdict), str::to_owned);
            format!("{}: {message}", test.name)
        });
        let expected = match (self.expected, &self.unexpected) {
            (None, _) => String::new(),
            (Some(label), None) if self.as_expected.is_none() => label.to_owned(),
            (Some(label), None) => format!("{label}: ok"),
            (Some(label), Some(why)) => format!("{label}: NOT OK, {why}"),
        };
        let ran = self.verdict.is_some();
        [
            cell(self.name),
            self.language.unwrap_or_default().to_owned(),
            cell(&verdict),
            if ran {
                format!("{}/{}", self.passed_tests, self.total_tests)
            } else {
                String::new()
            },
            self.slowest_cpu_time_ms
                .map(|ms| format!("{ms} ms"))
                .unwrap_or_default(),
            self.peak_memory_bytes.map(mebibytes).unwrap_or_default(),
            cell(&failure.unwrap_or_default()),
            cell(&expected),
        ]
    }
}

/// A text that keeps the table in shape.
fn cell(text: &str) -> String {
    let mut shown: String = harmless(text).chars().take(CELL).collect();
    if text.chars().nth(CELL).is_some() {
        shown.push('…');
    }
    shown
}
