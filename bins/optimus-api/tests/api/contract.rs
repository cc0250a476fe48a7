//! The names that clients rely on. None of them may change.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{Api, job_id, submission};

fn names(object: &Value) -> Vec<&str> {
    let mut names: Vec<_> = object.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn the_original_submission_is_graded_under_the_original_names() {
    let api = Api::start().await;
    api.announce(&[("python", None)]).await;
    let answer = api.submit(&submission()).await;
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    let location = answer.headers()["location"].to_str().unwrap().to_owned();
    let accepted: Value = answer.json().await.unwrap();
    assert_eq!(names(&accepted), ["job_id", "status"]);
    assert_eq!(accepted["status"], "queued");
    assert_eq!(
        location,
        format!("/jobs/{}", accepted["job_id"].as_str().unwrap())
    );
    let uuid = accepted["job_id"].as_str().unwrap().as_bytes();
    assert_eq!((uuid.len(), uuid[14]), (36, b'7'), "a UUID of version 7");

    let queued: Value = api.get(&location).send().await.unwrap().json().await.unwrap();
    assert_eq!(queued["status"], "queued");
    assert_eq!(queued["attempts"], 0);
    assert_eq!(queued["result"], Value::Null);
    assert_eq!(queued["started_at"], Value::Null);

    let claim = api.claim("python").await;
    assert_eq!(api.record(claim.lease.job).await["status"], "running");
    api.finish(&claim).await;

    let record = api.record(job_id(&accepted)).await;
    assert_eq!(
        names(&record),
        [
            "attempts",
            "created_at",
            "finished_at",
            "job_id",
            "language",
            "result",
            "started_at",
            "status"
        ]
    );
    assert_eq!(record["status"], "completed");
    assert_eq!(record["language"], "python");
    assert_eq!(record["attempts"], 1);
    for time in ["created_at", "started_at", "finished_at"] {
        assert!(record[time].as_str().unwrap().ends_with('Z'), "{time} is in UTC");
    }
    assert_eq!(
        record["result"],
        json!({
            "overall_status": "success", "verdict": "accepted", "score": 1.0,
            "total_tests": 1, "passed_tests": 1,
            "compile": {
                "verdict": "ok", "stdout": "", "stderr": "", "execution_time_ms": 0,
                "cpu_time_ms": 0, "peak_memory_bytes": 0, "message": null,
                "stdout_truncated": false, "stderr_truncated": false, "evidence": null
            },
            "test_results": [{
                "test_id": 1, "passed": true, "verdict": "accepted", "stdout": "hi\n", "stderr": "",
                "execution_time_ms": 14, "cpu_time_ms": 11, "peak_memory_bytes": 9_437_184,
                "exit_code": 0, "signal": null, "stdout_truncated": false, "stderr_truncated": false,
                "message": null, "evidence": null
            }]
        })
    );
}

#[tokio::test]
async fn the_submission_reaches_the_worker_unchanged() {
    let api = Api::start().await;
    let sent = json!({
        "language": "cpp",
        "files": [
            {"name": "src/main.cpp", "content": "int main() {}\n"},
            {"name": "data.bin", "content_base64": "/wA="}
        ],
        "entry_point": "src/main.cpp",
        "test_cases": [
            {"id": 7, "input_base64": "/w==", "expected_output_base64": "gA==", "points": 2.5},
            {"id": 3, "expected_output": "\u{0}é\n"}
        ],
        "timeout_ms": 1000, "wall_timeout_ms": 4000, "compile_timeout_ms": 9000,
        "memory_limit_mb": 128, "output_limit_bytes": 1024,
        "args": ["-v", ""], "env": {"A": "1"},
        "checker": {"type": "float", "abs_tolerance": 0.5, "rel_tolerance": 0.0},
        "stop_on_failure": true, "priority": "interactive",
        "metadata": {"user": 5, "tags": ["a", null]}
    });
    let id = api.accepted(&sent).await;
    let claim = api.claim("cpp").await;
    assert_eq!(serde_json::to_value(&claim.submission).unwrap(), sent);
    assert_eq!(api.record(id).await["metadata"], sent["metadata"]);
}

#[tokio::test]
async fn the_served_document_describes_every_route() {
    let api = Api::start().await;
    let document: Value = api
        .get("/openapi.json")
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(
        names(&document["paths"]),
        [
            "/blobs/{sha256}",
            "/health",
            "/jobs",
            "/jobs/{id}",
            "/jobs/{id}/events",
            "/languages",
            "/metrics",
            "/openapi.json",
            "/queues",
            "/ready"
        ]
    );
    assert_eq!(names(&document["paths"]["/jobs/{id}"]), ["delete", "get"]);
    assert_eq!(names(&document["paths"]["/blobs/{sha256}"]), ["head", "put"]);
}
