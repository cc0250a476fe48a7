//! `?wait=`: answered when the job ends, or when the time is over.

use std::{sync::mpsc, time::Duration};

use reqwest::{Response, StatusCode};
use serde_json::Value;
use tokio::{
    join,
    task::{self, JoinHandle},
    time::{Instant, timeout},
};

use crate::support::{Api, TIMEOUT, job_id, submission};

/// Starts a request that waits far longer than any test.
fn waits(request: reqwest::RequestBuilder) -> JoinHandle<Response> {
    tokio::spawn(async move { request.send().await.unwrap() })
}

#[tokio::test]
async fn a_submission_that_waits_is_answered_with_the_result() {
    let api = Api::start().await;
    let waiting = waits(api.post("/jobs?wait=60").json(&submission()));
    api.finish(&api.claim("python").await).await;
    let answer = waiting.await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(answer.headers().contains_key("location"));
    let record: Value = answer.json().await.unwrap();
    assert_eq!(record["status"], "completed");
    assert_eq!(record["result"]["verdict"], "accepted");
}

#[tokio::test]
async fn a_reader_that_waits_is_answered_with_the_result() {
    let api = Api::start().await;
    let id = api.accepted(&submission()).await;
    let waiting = waits(api.get(&format!("/jobs/{id}?wait=60")));
    api.finish(&api.claim("python").await).await;
    let record: Value = waiting.await.unwrap().json().await.unwrap();
    assert_eq!(record["status"], "completed");
    // A finished job is answered at once.
    let again: Value = api
        .get(&format!("/jobs/{id}?wait=60"))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(again, record);
}

#[tokio::test]
async fn a_cancelled_job_ends_the_wait() {
    let api = Api::start().await;
    let id = api.accepted(&submission()).await;
    let waiting = waits(api.get(&format!("/jobs/{id}?wait=60")));
    api.delete(&format!("/jobs/{id}")).send().await.unwrap();
    assert_eq!(
        waiting.await.unwrap().json::<Value>().await.unwrap()["status"],
        "cancelled"
    );
}

#[tokio::test]
async fn when_the_time_is_over_the_state_is_answered() {
    let api = Api::start().await;
    let started = Instant::now();
    let answer = api
        .post("/jobs?wait=0.3")
        .json(&submission())
        .send()
        .await
        .unwrap();
    assert!(started.elapsed() >= Duration::from_millis(300));
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    let state: Value = answer.json().await.unwrap();
    assert_eq!(state["status"], "queued");

    api.claim("python").await;
    let path = format!("/jobs/{}?wait=0.1", job_id(&state));
    let record: Value = api.get(&path).send().await.unwrap().json().await.unwrap();
    assert_eq!(record["status"], "running");
    assert_eq!(record["result"], Value::Null);
}

#[tokio::test]
async fn the_configured_maximum_ends_every_wait() {
    let api = Api::start_with(|settings| settings.api.max_wait = Duration::from_millis(200)).await;
    for wait in ["1e9", "inf"] {
        let answer = api
            .post(&format!("/jobs?wait={wait}"))
            .json(&submission())
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::ACCEPTED);
    }
}

#[tokio::test]
async fn a_repeated_submission_waits_for_the_first_one_s_job() {
    let api = Api::start().await;
    let submit = || {
        api.post("/jobs?wait=60")
            .header("Idempotency-Key", "k")
            .json(&submission())
    };
    let (first, second) = (waits(submit()), waits(submit()));
    api.finish(&api.claim("python").await).await;
    let (first, second) = join!(first, second);
    let (first, second): (Value, Value) = (
        first.unwrap().json().await.unwrap(),
        second.unwrap().json().await.unwrap(),
    );
    assert_eq!(first["status"], "completed");
    assert_eq!(first, second);
}

/// The store's own event is what a wait ends by; looking at the job without one happens twice a second only, and never
/// while time stands still.
#[tokio::test]
async fn a_wait_ends_by_the_job_s_own_end() {
    let api = Api::start().await;
    let waiting = waits(api.post("/jobs?wait=60").json(&submission()));
    let claim = api.claim("python").await;
    tokio::time::pause();
    // Time that is paused goes on by itself where everybody waits, save while something is done on a thread of its own.
    let (over, is_over) = mpsc::channel::<()>();
    let standing = task::spawn_blocking(move || is_over.recv_timeout(TIMEOUT));
    let paused = Instant::now();
    api.finish(&claim).await;
    let answer = waiting.await.unwrap();
    assert_eq!(Instant::now(), paused, "it was looked for");
    assert_eq!(answer.json::<Value>().await.unwrap()["status"], "completed");
    drop(over);
    standing.await.unwrap().unwrap_err();
}

#[tokio::test]
async fn hundreds_may_wait_at_once() {
    let api = Api::start().await;
    let waiting: Vec<_> = (0..300)
        .map(|_| waits(api.post("/jobs?wait=60").json(&submission())))
        .collect();
    for _ in 0..300 {
        api.finish(&api.claim("python").await).await;
    }
    for request in waiting {
        assert_eq!(request.await.unwrap().status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn a_client_that_goes_away_is_not_waited_for() {
    let api = Api::start().await;
    let waiting = waits(api.post("/jobs?wait=60").json(&submission()));
    let becomes = async |expected: &str| {
        let line = format!("\noptimus_http_waiting_requests {expected}\n");
        let seen = async {
            loop {
                let metrics = api.get("/metrics").send().await.unwrap().text().await.unwrap();
                if metrics.contains(&line) {
                    return;
                }
            }
        };
        timeout(TIMEOUT, seen).await.expect(expected);
    };
    becomes("1").await;
    waiting.abort();
    becomes("0").await;
}
