//! Submissions with what is right for them, as data: `cases/*.json`, one file for each kind of question.
//!
//! A case is a submission with `what` it shows and what it must get: `verdict`, that of the job; `entry_point`, where
//! that must be told; `says`, a part of what the compiler or the first test's message says.
//!
//! With `OPTIMUS_PRINTED_TESTS=200` every way to print is tried so often with each size of output. That is 1 GB of output for each
//! case: meant for `-- native::cases::output`, beside programs that keep the CPUs busy.

use std::{collections::BTreeMap, env, fs, time::Instant};

use futures_util::{StreamExt, stream};
use optimus_testkit::{client::assert_verdict, project::project};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::system::System;

/// Jobs waiting or running at once.
const AT_ONCE: usize = 8;

/// How often each size is printed, where this is set.
const PRINTED_TESTS: &str = "OPTIMUS_PRINTED_TESTS";

/// What the tests of one job print together at most, more or less: they are sent with it.
const PRINTED_BYTES: u64 = 32 << 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    what: String,
    verdict: String,
    /// The verdict of each test, where they differ.
    #[serde(default)]
    verdicts: Vec<String>,
    #[serde(default)]
    entry_point: Option<String>,
    #[serde(default)]
    says: Option<String>,
    submission: Value,
}

/// The kinds of questions that there are.
pub(crate) fn kinds() -> Vec<String> {
    let kinds = read();
    assert!(kinds.len() >= 5, "{} kinds of cases", kinds.len());
    kinds.into_keys().collect()
}

pub(crate) async fn every_case_gets_what_is_right_for_it(system: &System, kind: &str) {
    let cases = read().remove(kind).unwrap();
    let graded = stream::iter(&cases)
        .map(async |case| grade(system, case).await)
        .buffer_unordered(AT_ONCE)
        .collect::<Vec<_>>()
        .await;
    let wrong: Vec<_> = graded.iter().flatten().collect();
    assert!(
        wrong.is_empty(),
        "{} of {} cases:\n{wrong:#?}",
        wrong.len(),
        graded.len()
    );
}

fn read() -> BTreeMap<String, Vec<Case>> {
    let folder = project().join("bins/optimus-worker/tests/end_to_end/cases");
    fs::read_dir(&folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            let cases =
                serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            (path.file_stem().unwrap().to_string_lossy().into_owned(), cases)
        })
        .collect()
}

/// What is wrong with a case's results; all of it is told at the end.
async fn grade(system: &System, case: &Case) -> Option<String> {
    let started = Instant::now();
    let submissions = submissions(case);
    for submission in &submissions {
        let mut submission = submission.clone();
        expand(&mut submission);
        if let Some(wrong) = grade_one(system, case, &submission).await {
            return Some(wrong);
        }
    }
    if submissions.len() > 1 {
        let what = format!("{} ({})", case.what, case.submission["language"]);
        println!("{what}: {} jobs, {:.0?}", submissions.len(), started.elapsed());
    }
    None
}

async fn grade_one(system: &System, case: &Case, submission: &Value) -> Option<String> {
    let record = system.client.grade(submission).await;
    let what = format!("{} ({})", case.what, submission["language"]);
    if record["result"]["verdict"] == case.verdict.as_str() {
        assert_verdict(&record, &case.verdict, &what);
    } else {
        return Some(format!("{what}: {}", brief(&record)));
    }
    let result = &record["result"];
    let told = result["entry_point"].as_str();
    if case.entry_point.is_some() && told != case.entry_point.as_deref() {
        return Some(format!("{what}: the entry point is {told:?}"));
    }
    let verdicts: Vec<_> = result["test_results"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|test| test["verdict"].as_str().unwrap_or_default())
        .collect();
    if !case.verdicts.is_empty() && verdicts != case.verdicts {
        return Some(format!("{what}: {verdicts:?}"));
    }
    let said = json!([result["compile"], result["test_results"][0]["message"]]).to_string();
    match &case.says {
        Some(part) if !said.contains(part.as_str()) => Some(format!("{what}: it says {said}")),
        _ => None,
    }
}

/// The submission itself, or, where every size is printed many times, so many of it.
fn submissions(case: &Case) -> Vec<Value> {
    let printed = case.submission["test_cases"]
        .get("print_numbers_below")
        .and_then(Value::as_array);
    let (Ok(times), Some(printed)) = (env::var(PRINTED_TESTS), printed) else {
        return vec![case.submission.clone()];
    };
    let times: u64 = times.parse().expect("it is a number of tests");
    let mut counts: Vec<_> = printed.iter().filter_map(Value::as_u64).collect();
    counts.dedup();
    let jobs = counts.into_iter().flat_map(|count| {
        let fit = (PRINTED_BYTES / numbers_below(count).len() as u64).max(1);
        (0..times.div_ceil(fit)).map(move |job| (count, fit.min(times - job * fit)))
    });
    jobs.map(|(count, tests)| {
        let mut submission = case.submission.clone();
        submission["test_cases"] =
            json!({"print_numbers_below": vec![count; usize::try_from(tests).unwrap()]});
        submission
    })
    .collect()
}

/// What a person wants to see of a result that is not the right one.
fn brief(record: &Value) -> String {
    let test = &record["result"]["test_results"][0];
    let parts = json!([
        record["error"],
        record["result"]["verdict"],
        record["result"]["compile"]["stderr"],
        record["result"]["compile"]["message"],
        test["message"],
        test["stdout"],
        test["stderr"],
    ]);
    parts.to_string().chars().take(2000).collect()
}

/// Puts text in place of `{"numbers_below": n}`, a line for each, and in place of `{"print_numbers_below": [n, …]}` a
/// test for each `n`, which is told it and must print those; so that the files stay readable.
fn expand(value: &mut Value) {
    if let Some(count) = value.get("numbers_below").and_then(Value::as_u64) {
        *value = numbers_below(count).into();
        return;
    }
    if let Some(counts) = value.get("print_numbers_below").and_then(Value::as_array) {
        let counts = counts.iter().map(|count| count.as_u64().expect("a number"));
        let tests = (1..).zip(counts).map(|(id, count): (u32, u64)| {
            let expected = numbers_below(count);
            json!({"id": id, "input": format!("{count}\n"), "expected_output": expected})
        });
        *value = tests.collect();
        return;
    }
    match value {
        Value::Array(items) => items.iter_mut().for_each(expand),
        Value::Object(fields) => fields.values_mut().for_each(expand),
        _ => {}
    }
}

fn numbers_below(count: u64) -> String {
    let numbers: Vec<_> = (0..count).map(|number| number.to_string()).collect();
    numbers.join("\n") + "\n"
}
