//! What lies behind a verdict: the compiler's words, and on request the first failed test's data.

use optimus_common::{
    counted,
    result::{CompileVerdict, TestResult, Verdict},
};

use super::{candidates::Candidate, problem::Problem, runs::ProgramOutcome};
use crate::{
    commands::jobs::{compile_text, spaced},
    output::harmless,
};

/// Lines and characters of a line shown of each text.
const LINES: usize = 10;
const COLUMNS: usize = 100;

/// How much is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Detail {
    CompileErrors,
    /// Beside those, the data of each program's first failed test.
    FailedTests,
}

pub(super) fn text(
    problem: &Problem,
    candidates: &[Candidate],
    outcomes: &[ProgramOutcome],
    detail: Detail,
) -> String {
    let mut lines = Vec::new();
    for (candidate, outcome) in candidates.iter().zip(outcomes) {
        let Some(result) = outcome.result() else {
            continue;
        };
        if let Some(compile) = &result.compile
            && compile.verdict != CompileVerdict::Ok
        {
            lines.push(format!("\n{}:", harmless(&candidate.name)));
            compile_text(compile, &mut lines);
        }
        let failed = result
            .test_results
            .iter()
            .position(|test| test.verdict != Verdict::Accepted);
        if detail == Detail::FailedTests
            && let Some(i) = failed
        {
            test(problem, i, &result.test_results[i], &candidate.name, &mut lines);
        }
    }
    lines.join("\n")
}

fn test(problem: &Problem, i: usize, result: &TestResult, name: &str, lines: &mut Vec<String>) {
    let message = result.message.as_deref().unwrap_or_default();
    let colon = if message.is_empty() { "" } else { ": " };
    lines.push(format!(
        "\n{}, {}: {}{colon}{}",
        harmless(name),
        harmless(&problem.names[i]),
        spaced(result.verdict),
        harmless(message)
    ));
    let case = &problem.cases[i];
    excerpt("input", case.input(), lines);
    excerpt("expected", case.expected_output(), lines);
    let stdout = result
        .stdout_base64
        .as_ref()
        .map_or(result.stdout.as_bytes(), |bytes| &bytes.0);
    excerpt("got", stdout, lines);
    if !result.stderr.is_empty() {
        excerpt("stderr", result.stderr.as_bytes(), lines);
    }
}

/// The first lines of a text, each cut, with nothing in them that could move a cursor.
fn excerpt(title: &str, text: &[u8], lines: &mut Vec<String>) {
    // Far more than is shown, and far less than an input may have.
    let head = &text[..text.len().min(LINES * COLUMNS * 4)];
    let shown = String::from_utf8_lossy(head);
    let mut indent = format!("  {title:<10}");
    let mut count = 0;
    for line in shown.lines().take(LINES) {
        let cut: String = line.chars().take(COLUMNS).collect();
        let cut = harmless(&cut);
        let more = if line.chars().nth(COLUMNS).is_some() {
            " …"
        } else {
            ""
        };
        lines.push(format!("{indent}{cut}{more}"));
        indent = " ".repeat(12);
        count += 1;
    }
    if count == 0 {
        lines.push(format!("{indent}(nothing)"));
    } else if shown.lines().nth(LINES).is_some() || head.len() < text.len() {
        lines.push(format!("{indent}… {} in all", counted(text.len(), "byte")));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        commands::grade::{
            problem::{Limit, Time},
            report::GradeReport,
        },
        testcases::Settings,
    };

    #[test]
    fn no_name_and_no_compiler_makes_a_line_of_its_own() {
        const FORGED: &str = "forged";
        let name = |what: &str| format!("{what}\n{FORGED} {what}");
        let test = json!({
            "test_id": 1, "passed": false, "verdict": "wrong_answer", "stdout": "", "stderr": format!("\n{FORGED}"),
            "execution_time_ms": 1, "cpu_time_ms": 1, "peak_memory_bytes": 1, "exit_code": 0, "signal": null,
            "stdout_truncated": false, "stderr_truncated": false, "message": name("message"),
        });
        let compile = json!({
            "verdict": "compilation_error", "stdout": "", "stderr": format!("error:\n{FORGED}"),
            "stdout_truncated": false, "stderr_truncated": false, "execution_time_ms": 1, "cpu_time_ms": 1,
            "peak_memory_bytes": 1, "message": name("message"),
        });
        let result = serde_json::from_value(json!({
            "overall_status": "failed", "verdict": "wrong_answer", "score": 0.0, "total_tests": 1, "passed_tests": 0,
            "compile": compile, "test_results": [test],
        }));
        let problem = Problem {
            name: name("problem"),
            names: vec![name("test")],
            notes: Vec::new(),
            cases: vec![optimus_common::submission::TestCase::new(
                1,
                format!("\n{FORGED}"),
                format!("\n{FORGED}"),
            )],
            settings: Settings::default(),
            time: Time::Fixed(Limit {
                ms: 1,
                from: String::new(),
            }),
        };
        let limit = Limit {
            ms: 1,
            from: name("limit"),
        };
        let candidates = [Candidate {
            name: name("candidate"),
            program: Err(String::new()),
            expectation: None,
        }];
        let outcomes = [ProgramOutcome::Graded(Box::new(result.unwrap()))];
        let report = GradeReport::new(
            &problem,
            &limit,
            "native",
            &candidates,
            &outcomes,
            Detail::FailedTests,
        );
        let told = report.text() + &text(&problem, &candidates, &outcomes, Detail::FailedTests);
        for part in ["problem", "limit", "candidate", "test", "message"] {
            assert!(
                told.contains(&format!("{part}\\nforged {part}")),
                "{part}: {told}"
            );
        }
        assert!(!told.lines().any(|line| line.starts_with(FORGED)), "{told}");
    }

    fn lines(text: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        excerpt("got", text, &mut lines);
        lines
    }

    #[test]
    fn excerpts_are_short_and_move_no_cursor() {
        assert_eq!(lines(b""), ["  got       (nothing)"]);
        assert_eq!(
            lines(b"a\tb\x1b[2J\r\n\xff\n"),
            ["  got       a\tb\\u{1b}[2J", "            \u{fffd}"]
        );
        let many = lines(&b"x\n".repeat(5000));
        assert_eq!(many.len(), LINES + 1);
        assert_eq!(many[LINES], "            … 10000 bytes in all");
        let long = lines(&b"y".repeat(1 << 20));
        assert_eq!(long[0], format!("  got       {} …", "y".repeat(COLUMNS)));
    }
}
