//! The life of a job as its client sees it.

use std::collections::HashSet;

use optimus_common::{
    JobId, Owner,
    job::Outcome,
    result::{JobResult, OverallStatus, Verdict},
};
use optimus_queue::{EventBus, JobEvent, JobQueue, Renewal};
use reqwest::{StatusCode, header};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::{Api, TIMEOUT, job_id, problem, submission, submission_with};

#[tokio::test]
async fn a_queued_job_is_cancelled_at_once_and_only_once() {
    let api = Api::start().await;
    let id = api.accepted(&submission()).await;
    let path = format!("/jobs/{id}");

    let answer = api.delete(&path).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(
        answer.json::<Value>().await.unwrap(),
        json!({"job_id": id.to_string(), "status": "cancelled"})
    );
    let record = api.record(id).await;
    assert_eq!(record["status"], "cancelled");
    assert_eq!(record["result"]["overall_status"], "cancelled");
    assert_eq!(record["result"]["score"], Value::Null);

    let again = api.delete(&path).send().await.unwrap();
    assert_eq!(again.status(), StatusCode::CONFLICT);
    assert!(
        problem(again).await["detail"]
            .as_str()
            .unwrap()
            .contains("cancelled")
    );
}

#[tokio::test]
async fn the_trace_of_a_request_travels_with_its_job() {
    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let api = Api::start().await;
    for (parent, known) in [(PARENT, true), ("00-none", false)] {
        let request = api
            .post("/jobs")
            .header("traceparent", parent)
            .header("tracestate", "rojo=1")
            .header("tracestate", "congo=2")
            .json(&submission());
        assert_eq!(request.send().await.unwrap().status(), StatusCode::ACCEPTED);
        let claim = api.claim("python").await;
        assert_eq!(claim.context.owner, Owner::default());
        let trace = claim.context.trace;
        let told = trace.map(|trace| (trace.parent.to_string(), trace.state.unwrap().to_string()));
        assert_eq!(
            told,
            known.then(|| (PARENT.to_owned(), "rojo=1,congo=2".to_owned()))
        );
    }
}

#[tokio::test]
async fn cancelling_a_running_job_asks_its_worker() {
    let api = Api::start().await;
    let id = api.accepted(&submission()).await;
    let claim = api.claim("python").await;
    let mut events = api.store.subscribe();

    let answer = api.delete(&format!("/jobs/{id}")).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    assert_eq!(answer.json::<Value>().await.unwrap()["status"], "running");
    let event = timeout(TIMEOUT, events.next()).await.unwrap().unwrap();
    assert_eq!(event, JobEvent::CancelRequested(id));
    assert_eq!(
        api.store.renew(&claim.lease).await.unwrap(),
        Renewal::CancelRequested
    );

    let result = JobResult::not_graded(OverallStatus::Cancelled, Verdict::Cancelled, 1);
    api.store
        .finish(&claim.lease, Outcome::Cancelled(result))
        .await
        .unwrap();
    assert_eq!(api.record(id).await["status"], "cancelled");
}

#[tokio::test]
async fn a_finished_job_cannot_be_cancelled() {
    let api = Api::start().await;
    let id = api.accepted(&submission()).await;
    api.finish(&api.claim("python").await).await;
    let answer = api.delete(&format!("/jobs/{id}")).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::CONFLICT);
    problem(answer).await;
    assert_eq!(api.record(id).await["status"], "completed");
}

#[tokio::test]
async fn a_job_optimus_could_not_grade_says_why() {
    let api = Api::start().await;
    let id = api.accepted(&submission()).await;
    let claim = api.claim("python").await;
    let result = JobResult::not_graded(OverallStatus::InternalError, Verdict::InternalError, 1);
    let outcome = Outcome::Failed {
        result,
        error: "no box".to_owned(),
    };
    api.store.finish(&claim.lease, outcome).await.unwrap();
    let record = api.record(id).await;
    assert_eq!(
        (&record["status"], &record["error"]),
        (&"failed".into(), &"no box".into())
    );
}

#[tokio::test]
async fn the_same_key_and_body_give_the_same_job() {
    let api = Api::start().await;
    let submit = |body: Value| {
        let request = api.post("/jobs").header("Idempotency-Key", "k-1").json(&body);
        async { request.send().await.unwrap() }
    };
    let first = submit(submission()).await;
    assert!(!first.headers().contains_key("idempotency-replayed"));
    let id = job_id(&first.json().await.unwrap());

    let again = submit(submission()).await;
    assert_eq!(again.status(), StatusCode::ACCEPTED);
    assert_eq!(again.headers()["idempotency-replayed"], "true");
    assert_eq!(again.headers()[header::LOCATION], format!("/jobs/{id}"));
    assert_eq!(again.json::<Value>().await.unwrap()["status"], "queued");

    let other = submit(submission_with("timeout_ms", 1.into())).await;
    assert_eq!(other.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(problem(other).await["field"], "Idempotency-Key");

    api.finish(&api.claim("python").await).await;
    let done: Value = submit(submission()).await.json().await.unwrap();
    assert_eq!(done, json!({"job_id": id.to_string(), "status": "completed"}));
}

#[tokio::test]
async fn a_key_sent_many_times_at_once_makes_one_job() {
    let api = Api::start().await;
    let requests = (0..32).map(|_| {
        let request = api
            .post("/jobs")
            .header("Idempotency-Key", "same")
            .json(&submission());
        async move { job_id(&request.send().await.unwrap().json().await.unwrap()) }
    });
    let ids: HashSet<JobId> = futures_util::future::join_all(requests)
        .await
        .into_iter()
        .collect();
    assert_eq!(ids.len(), 1);
    let depth = api
        .store
        .depths(&["python".parse().unwrap()])
        .await
        .unwrap()
        .remove(0);
    assert_eq!(depth.waiting(), 1);
}

#[tokio::test]
async fn without_a_key_each_submission_is_a_job() {
    let api = Api::start().await;
    assert_ne!(
        api.accepted(&submission()).await,
        api.accepted(&submission()).await
    );
}

#[tokio::test]
async fn an_input_of_64_mib_and_bytes_that_are_no_text_arrive_whole() {
    let api = Api::start().await;
    // A NUL and a line end take six and two bytes as JSON.
    let mut input = "0123456 89abcde\n".repeat(4 << 20);
    input.push('\0');
    let mut large = submission();
    large["test_cases"][0]["input"] = input.clone().into();
    api.accepted(&large).await;
    let claim = api.claim("python").await;
    assert!(claim.submission.test_cases[0].input() == input.as_bytes());
}
