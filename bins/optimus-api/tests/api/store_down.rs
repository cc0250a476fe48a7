//! A store that goes away and comes back.

use std::time::Duration;

use reqwest::{Response, StatusCode, header};
use serde_json::Value;
use tokio::time::{sleep, timeout};

use crate::support::{Api, TIMEOUT, problem, submission};

/// Repeats a request until it succeeds.
async fn until_it_works(request: impl Fn() -> reqwest::RequestBuilder) -> Response {
    let attempts = async {
        loop {
            let answer = request().send().await.unwrap();
            if answer.status().is_success() {
                return answer;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(TIMEOUT, attempts).await.expect("it works again")
}

#[tokio::test]
async fn without_the_store_every_route_says_so_and_with_it_all_goes_on() {
    let api = Api::start_with(|settings| settings.redis.response_timeout = Duration::from_secs(1)).await;
    api.announce(&[("python", None)]).await;
    let id = api.accepted(&submission()).await;
    api.redis.kill();

    let path = format!("/jobs/{id}");
    for request in [
        api.post("/jobs").json(&submission()),
        api.post("/jobs?wait=5").json(&submission()),
        api.get(&path),
        api.get(&format!("{path}?wait=5")),
        api.delete(&path),
        api.get("/queues"),
        api.get("/languages"),
    ] {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(answer.headers().contains_key(header::RETRY_AFTER));
        problem(answer).await;
    }
    assert_eq!(api.get("/health").send().await.unwrap().status(), StatusCode::OK);
    let ready = api.get("/ready").send().await.unwrap();
    assert_eq!(ready.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(problem(ready).await["errors"][0]["field"], "store");
    let metrics = api.get("/metrics").send().await.unwrap();
    assert_eq!(metrics.status(), StatusCode::OK);
    let metrics = metrics.text().await.unwrap();
    assert!(
        metrics.contains("\noptimus_store_up 0\n") && metrics.ends_with("# EOF\n"),
        "{metrics}"
    );

    api.redis.resume();
    let record: Value = until_it_works(|| api.get(&path)).await.json().await.unwrap();
    assert_eq!(record["status"], "queued");
    until_it_works(|| api.get("/ready")).await;
    until_it_works(|| api.post("/jobs").json(&submission())).await;
}

#[tokio::test]
async fn a_wait_survives_a_restart_of_the_store() {
    let api = Api::start_with(|settings| settings.redis.response_timeout = Duration::from_secs(1)).await;
    let waiting = api.post("/jobs?wait=60").json(&submission());
    let waiting = tokio::spawn(async move { waiting.send().await.unwrap() });
    let claim = api.claim("python").await;
    // A job may be claimed before whoever submitted it has read that it is stored, and only from then on a request waits
    // whatever happens. Each connection to the store answers in turn: once all have answered again, it is read.
    for _ in 0..8 {
        api.accepted(&submission()).await;
    }
    api.redis.kill();
    api.redis.resume();
    let finished = async {
        while api
            .get(&format!("/jobs/{}", claim.lease.job))
            .send()
            .await
            .unwrap()
            .status()
            != StatusCode::OK
        {
            sleep(Duration::from_millis(20)).await;
        }
        api.finish(&claim).await;
    };
    timeout(TIMEOUT, finished).await.unwrap();
    let answer = waiting.await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.json::<Value>().await.unwrap()["status"], "completed");
}
