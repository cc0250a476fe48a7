//! Submissions with what is right for them, as data: `cases/*.json`, one file for each kind of question.
//!
//! A case is a submission with `what` it shows and what it must get: `verdict`, that of the job; `entry_point`, where
//! that must be told; `says`, a part of what the compiler or the first test's message says.

use std::{collections::BTreeMap, fs};

use futures_util::{StreamExt, stream};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{client::assert_verdict, project::project, system::System};

/// Jobs waiting or running at once.
const AT_ONCE: usize = 8;

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

pub(crate) async fn every_case_gets_what_is_right_for_it(system: &System) {
    let kinds = kinds();
    assert!(kinds.len() >= 5, "{} kinds of cases", kinds.len());
    let cases = kinds
        .iter()
        .flat_map(|(kind, cases)| cases.iter().map(move |case| (kind, case)));
    let graded = stream::iter(cases)
        .map(async |(kind, case)| grade(system, kind, case).await)
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

fn kinds() -> BTreeMap<String, Vec<Case>> {
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

/// What is wrong with a case's result; all of it is told at the end.
async fn grade(system: &System, kind: &str, case: &Case) -> Option<String> {
    let mut submission = case.submission.clone();
    expand(&mut submission);
    let record = system.client.grade(&submission).await;
    let what = format!("{kind}: {} ({})", case.what, submission["language"]);
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
