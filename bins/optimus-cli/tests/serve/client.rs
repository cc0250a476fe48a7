//! What the tests of `serve` send, and what they expect.

use optimus_testkit::client::{Client, Method, StatusCode};
use serde_json::{Value, json};

/// A submission of one test, whose input is empty.
pub(crate) fn submission(language: &str, source: &str, expected: &str) -> Value {
    json!({
        "language": language,
        "source_code": source,
        "test_cases": [{"id": 1, "input": "", "expected_output": expected}],
    })
}

#[track_caller]
pub(crate) fn assert_verdict(record: &Value, verdict: &str) {
    assert_eq!(record["status"], "completed", "{record:#}");
    assert_eq!(record["result"]["verdict"], verdict, "{record:#}");
}

/// The id of an accepted job. `None`, where nobody answers, says nothing of whether it was.
pub(crate) async fn try_submit(client: &Client, key: &str, submission: &Value) -> Option<String> {
    let headers = [("idempotency-key", key)];
    let answer = client
        .ask_with(Method::POST, "/jobs", &headers, Some(submission))
        .await?;
    assert!(
        [StatusCode::ACCEPTED, StatusCode::OK].contains(&answer.status),
        "{answer:#?}"
    );
    Some(answer.body["job_id"].as_str().unwrap().to_owned())
}
