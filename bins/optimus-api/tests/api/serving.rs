//! The server itself: its headers, its end, and clients that misbehave.

use std::{
    pin::pin,
    sync::mpsc,
    time::{Duration, Instant},
};

use futures_util::poll;
use optimus_queue::JobQueue;
use reqwest::StatusCode;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    runtime::Builder,
    time::timeout,
};

use crate::support::{Api, TIMEOUT, submission};

#[tokio::test]
async fn every_answer_carries_its_request_s_id_and_safe_headers() {
    let api = Api::start().await;
    for path in ["/health", "/no/such/route", "/jobs/1"] {
        let answer = api
            .get(path)
            .header("X-Request-Id", "trace-7")
            .send()
            .await
            .unwrap();
        assert_eq!(answer.headers()["x-request-id"], "trace-7", "{path}");
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
        assert_eq!(answer.headers()["cache-control"], "no-store");
        assert!(!answer.headers().contains_key("access-control-allow-origin"));
    }
    let fresh = |answer: reqwest::Response| answer.headers()["x-request-id"].to_str().unwrap().to_owned();
    let first = fresh(
        api.get("/health")
            .header("X-Request-Id", "not sane")
            .send()
            .await
            .unwrap(),
    );
    let second = fresh(api.get("/health").send().await.unwrap());
    assert_eq!((first.len(), second.len()), (36, 36));
    assert_ne!(first, second);
}

#[tokio::test]
async fn a_shutdown_finishes_the_request_that_waits() {
    let mut api = Api::start().await;
    let waiting = api.post("/jobs?wait=60").json(&submission());
    let waiting = tokio::spawn(async move { waiting.send().await.unwrap() });
    let claim = api.claim("python").await;
    api.stop();
    let refused = async {
        while TcpStream::connect(api.address()).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    timeout(TIMEOUT, refused).await.expect("no new connections");
    api.finish(&claim).await;
    let answer = waiting.await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.json::<Value>().await.unwrap()["status"], "completed");
    api.stopped().await;
}

#[tokio::test]
async fn a_shutdown_answers_what_is_known_before_its_time_is_over() {
    let mut api = Api::start_with(|settings| settings.api.shutdown = Duration::from_secs(2)).await;
    let waiting = api.post("/jobs?wait=60").json(&submission());
    let waiting = tokio::spawn(async move { waiting.send().await.unwrap() });
    api.claim("python").await;
    api.stop();
    let answer = waiting.await.unwrap();
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    assert_eq!(answer.json::<Value>().await.unwrap()["status"], "running");
    api.stopped().await;
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_a_client_that_never_ends_its_body() {
    let limit = Duration::from_millis(300);
    let mut api = Api::start_with(|settings| settings.api.shutdown = limit).await;
    let mut slow = TcpStream::connect(api.address()).await.unwrap();
    let head = "POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\
                Expect: 100-continue\r\n\r\n";
    slow.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 25];
    slow.read_exact(&mut answer).await.unwrap();
    assert_eq!(
        &answer, b"HTTP/1.1 100 Continue\r\n\r\n",
        "the handler waits for the body"
    );
    slow.write_all(b"{").await.unwrap();
    let stopped = Instant::now();
    api.stop();
    api.stopped().await;
    assert!(stopped.elapsed() >= limit);
}

#[tokio::test]
async fn a_body_that_ends_early_harms_nobody() {
    let api = Api::start().await;
    let mut broken = TcpStream::connect(api.address()).await.unwrap();
    let head = "POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{";
    broken.write_all(head.as_bytes()).await.unwrap();
    drop(broken);
    api.accepted(&submission()).await;
}

/// Megabytes of escapes take long to read. Server, client and test share one thread here: read on it, the body would stop
/// everything meanwhile. So it is read elsewhere: not before the one thread that there is for such work is free.
#[test]
fn a_large_body_does_not_hold_up_other_requests() {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        .build()
        .unwrap();
    runtime.block_on(async {
        let api = Api::start().await;
        let (free, is_free) = mpsc::channel::<()>();
        let elsewhere = tokio::task::spawn_blocking(move || is_free.recv());

        let escapes = "\\u0041".repeat(1 << 18);
        let body = format!(r#"{{"language": "c", "source_code": "{escapes}", "unknown": 1}}"#);
        let head = format!(
            "POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n",
            body.len()
        );
        let mut large = TcpStream::connect(api.address()).await.unwrap();
        large.write_all((head + &body).as_bytes()).await.unwrap();
        let mut answer = String::new();
        {
            let mut answered = pin!(large.read_to_string(&mut answer));
            // By then what is left of the body in the sockets has long arrived.
            for _ in 0..500 {
                assert_eq!(api.get("/health").send().await.unwrap().status(), StatusCode::OK);
                assert!(poll!(&mut answered).is_pending(), "it was read where requests are served");
            }
            drop(free);
            timeout(TIMEOUT, answered).await.expect("an answer").unwrap();
        }
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("unknown"), "{answer}");
        elsewhere.await.unwrap().unwrap_err();
    });
}

/// Sends these bytes and reads all that is answered.
async fn exchange(api: &Api, request: &str) -> String {
    let mut client = TcpStream::connect(api.address()).await.unwrap();
    client.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = client.read_to_string(&mut answer);
    timeout(TIMEOUT, read).await.expect("an answer").unwrap();
    answer
}

#[tokio::test]
async fn without_tokens_only_requests_for_this_machine_are_answered() {
    let api = Api::start_with(|settings| settings.api.allowed_hosts = vec!["judge.example".to_owned()]).await;
    let body = submission().to_string();
    let submit = |head: &str| {
        format!(
            "{head}Connection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    for head in [
        "POST /jobs HTTP/1.1\r\nHost: evil.example\r\n",
        "POST /jobs HTTP/1.1\r\nHost: evil.example\r\nOrigin: http://evil.example\r\n",
        "POST /jobs HTTP/1.0\r\n",
        "POST /jobs HTTP/1.1\r\nHost:\r\n",
        "POST http://evil.example/jobs HTTP/1.1\r\nHost: localhost\r\n",
        "POST http://localhost/jobs HTTP/1.1\r\nHost: evil.example\r\n",
        "POST /jobs HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n",
    ] {
        let answer = exchange(&api, &submit(head)).await;
        let code = answer.split(' ').nth(1);
        assert_eq!(code, Some("421"), "{head}: {answer}");
        assert!(answer.contains("allowed_hosts"), "{answer}");
    }
    for head in [
        "GET /queues HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
        "GET /no/such/route HTTP/1.0\r\n\r\n",
        "GET /health HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
    ] {
        let answer = exchange(&api, head).await;
        assert_eq!(answer.split(' ').nth(1), Some("421"), "{head}: {answer}");
    }
    assert!(api.store.totals().await.unwrap().submitted.is_empty());
    for head in [
        "POST /jobs HTTP/1.1\r\nHost: localhost:1\r\n",
        "POST /jobs HTTP/1.1\r\nHost: [::1]\r\n",
        "POST /jobs HTTP/1.0\r\nHost: judge.example\r\n",
        "POST http://localhost/jobs HTTP/1.1\r\nHost: localhost\r\n",
    ] {
        let answer = exchange(&api, &submit(head)).await;
        assert_eq!(answer.split(' ').nth(1), Some("202"), "{head}: {answer}");
    }
}

#[tokio::test]
async fn with_tokens_every_host_is_answered() {
    let api = Api::start_with(|settings| settings.api.tokens = vec!["secret".to_owned()]).await;
    let head = "GET /queues HTTP/1.1\r\nHost: judge.example\r\nAuthorization: Bearer secret\r\nConnection: close\r\n\r\n";
    let answer = exchange(&api, head).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}
