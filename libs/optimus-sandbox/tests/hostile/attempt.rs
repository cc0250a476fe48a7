//! One attack, and what must hold after it.

use std::sync::Arc;

use optimus_common::{
    result::{CompileVerdict, JobResult, TestResult, Verdict},
    submission::Submission,
};
use optimus_judge::plan::JobPlan;
use serde_json::{Value, json};

use crate::{
    canaries::Canaries,
    case::{Case, Test},
    grading::{Graded, grade},
    languages::Dialect,
    stage::{Kind, Stage, step_timeout, time_factor},
};

/// Characters told of each stream of a test that went wrong.
const TOLD: usize = 600;

/// How many times what honest tests need at most.
const PLENTY: u64 = 4;

/// What a hostile program prints where it was stopped as it should be.
const WITHSTOOD: &str = "withstood\n";

/// Runs a case. Fails with everything that is not as it must be.
pub(crate) async fn attempt(stage: &Arc<Stage>, case: &Case) -> Result<(), String> {
    let entry = stage.enter(case).await;
    let began = entry.neighbour.served();
    let mut problems = Vec::new();

    let dialect = Dialect::of(&case.program);
    let mut language = stage.language(dialect.name()).clone();
    if let Some(script) = &case.compile_by {
        language.execution.compile = ["sh", script].map(str::to_owned).into();
    }
    let language = &language;
    let submission = submission(case, stage.kind, dialect, &stage.canaries);
    let plan =
        JobPlan::new(&submission, language, &stage.settings.limits).map_err(|error| error.to_string())?;
    let session = stage.open(language, plan.box_memory_bytes).await?;
    let name = session.handle().name().to_owned();
    let results = &stage.settings.results;
    let graded = grade(session, &submission, language, &plan, results, || {});
    match tokio::time::timeout(step_timeout(), graded).await {
        Ok(graded) => {
            check_verdicts(case, stage, &graded, &mut problems);
            if let Some(secret) = stage.canaries.leaked(&graded.written) {
                problems.push(format!("a secret has come out: {secret}"));
            }
        }
        Err(_) => problems.push("the job hangs".to_owned()),
    }
    problems.extend(stage.outside.gone(&name).await.err());
    // One test of it may have begun before the attack; the next one has not.
    problems.extend(entry.neighbour.serves(began + 2).await.err());
    drop(entry);
    problems.extend(stage.settle_sometimes().await.err());
    if problems.is_empty() {
        Ok(())
    } else {
        Err(problems.join("\n"))
    }
}

pub(crate) fn submission(case: &Case, kind: Kind, dialect: &Dialect, canaries: &Canaries) -> Submission {
    let mut files = vec![json!({
        "name": source_name(dialect),
        "content": canaries.fill_in(&case.read(&case.program)),
    })];
    let (name, content) = dialect.helper();
    files.push(json!({"name": name, "content": content}));
    for name in case.files.iter().chain(&case.compile_by) {
        files.push(json!({"name": name, "content": canaries.fill_in(&case.read(name))}));
    }
    let timeout_ms = time_factor()
        * case
            .timeout_ms
            .unwrap_or_else(|| usual_timeout_ms(case, kind, dialect));
    let wall_timeout_ms = case.wall_timeout_ms.map(|ms| ms * time_factor());
    let mut attacks = 0;
    let tests: Vec<_> = (1..)
        .zip(&case.tests)
        .map(|(id, test)| test_case(id, *test, case, &mut attacks, canaries))
        .collect();
    let submission = json!({
        "language": dialect.name(),
        "files": files,
        "test_cases": tests,
        "timeout_ms": timeout_ms,
        "wall_timeout_ms": wall_timeout_ms,
        "compile_timeout_ms": time_factor() * case.compile_timeout_ms.unwrap_or(20_000),
        "memory_limit_mb": case.memory_limit_mb.unwrap_or(64),
        "output_limit_bytes": case.output_limit_bytes.unwrap_or(1 << 20),
        "args": case.args,
    });
    serde_json::from_value(submission).expect("it is a submission")
}

/// What is to run into its limit of time is not to take long. What is to end by itself, or by another limit, has plenty: its
/// verdict must not depend on how quick a machine is.
fn usual_timeout_ms(case: &Case, kind: Kind, dialect: &Dialect) -> u64 {
    let ends_by_time = case
        .verdict
        .as_ref()
        .is_some_and(|expected| expected.on(kind).contains(&Verdict::TimeLimitExceeded));
    if ends_by_time {
        dialect.timeout_ms
    } else {
        dialect.timeout_ms * PLENTY
    }
}

fn source_name(dialect: &Dialect) -> &'static str {
    match dialect.name() {
        "java" => "Main.java",
        "c" => "main.c",
        "cpp" => "main.cpp",
        "python" => "main.py",
        "go" => "main.go",
        "javascript" => "main.js",
        "rust" => "main.rs",
        _ => "main.sh",
    }
}

fn test_case(id: u64, test: Test, case: &Case, attacks: &mut u32, canaries: &Canaries) -> Value {
    let (input, expected) = match test {
        Test::Honest => (
            format!("honest {id}7 {}\n", canaries.secret("input")),
            format!("honest {id}7\n"),
        ),
        Test::Attack => {
            *attacks += 1;
            let more = "x".repeat(case.input_bytes);
            (format!("attack {attacks}\n{more}"), WITHSTOOD.to_owned())
        }
        Test::Answer => ("answer\n".to_owned(), canaries.secret("answer")),
    };
    json!({"id": id, "input": input, "expected_output": expected})
}

fn check_verdicts(case: &Case, stage: &Stage, graded: &Graded, problems: &mut Vec<String>) {
    let expected = case.verdict.as_ref().map(|expected| expected.on(stage.kind));
    let result = match &graded.result {
        Ok(result) => result,
        // A worker would try again, and at last say that it is no fault of the program.
        Err(_) if expected.is_some_and(|expected| expected.contains(&Verdict::InternalError)) => return,
        Err(fault) => {
            problems.push(format!("the box failed: {fault}"));
            return;
        }
    };
    check_compiled(case, result, problems);
    for (test, got) in case.tests.iter().zip(&result.test_results) {
        let right = match test {
            Test::Honest => &[Verdict::Accepted],
            Test::Attack => expected.unwrap_or_default(),
            Test::Answer => &[Verdict::WrongAnswer],
        };
        if !right.contains(&got.verdict) {
            problems.push(format!("{test:?} must be {right:?}: {}", told(got)));
        }
    }
}

fn check_compiled(case: &Case, result: &JobResult, problems: &mut Vec<String>) {
    let compiled = result.compile.as_ref();
    let verdict = compiled.map_or(CompileVerdict::CompilationError, |compiled| compiled.verdict);
    if verdict != case.compile {
        let compiled = compiled.map_or_else(String::new, |compiled| {
            let message = compiled.message.as_deref().unwrap_or_default();
            format!(
                "{message} {} {}",
                start(&compiled.stdout),
                start(&compiled.stderr)
            )
        });
        problems.push(format!("compiling must end in {:?}: {compiled}", case.compile));
    }
}

pub(crate) fn told(got: &TestResult) -> String {
    format!(
        "{:?} ({}), cpu {} ms, wall {} ms, memory {} KiB, stdout {:?}, stderr {:?}",
        got.verdict,
        got.message.as_deref().unwrap_or_default(),
        got.cpu_time_ms,
        got.execution_time_ms,
        got.peak_memory_bytes >> 10,
        start(&got.stdout),
        start(&got.stderr),
    )
}

fn start(text: &str) -> &str {
    let end = text.char_indices().nth(TOLD).map_or(text.len(), |(at, _)| at);
    &text[..end]
}
