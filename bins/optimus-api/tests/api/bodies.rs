//! Large bodies that come slowly, and others that want to be received too.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::support::{Api, problem, submission_with};

/// Much longer than any of this takes; it bounds a test that hangs.
const TIMEOUT: Duration = Duration::from_mins(2);

const LIMIT: usize = 128 << 20;

/// What slow clients may be behind: longer than the test, so that nobody but the others ends them; one of the others waits
/// a twentieth of it before that.
const HELD: Duration = Duration::from_mins(10);

/// A submission of the largest size, of which so many bytes are sent.
async fn begun(api: &Api, sent: usize) -> TcpStream {
    let head = format!(
        "POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {LIMIT}\r\n\
         Connection: close\r\n\r\n{{\"source_code\": \""
    );
    let mut client = TcpStream::connect(api.address()).await.unwrap();
    client.write_all(head.as_bytes()).await.unwrap();
    let chunk = vec![b'x'; 1 << 20];
    let mut left = sent;
    while left > 0 {
        let now = left.min(chunk.len());
        client.write_all(&chunk[..now]).await.unwrap();
        left -= now;
    }
    client
}

/// A submission that is larger than a small one, and that no client at fault has any part in.
async fn a_large_one_is_accepted(api: &Api, bytes: usize) {
    let test = json!({"id": 1, "input": "x".repeat(bytes), "expected_output": ""});
    let job = submission_with("test_cases", json!([test]));
    let answer = timeout(TIMEOUT, api.submit(&job)).await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_announcement_keeps_nobody_from_submitting() {
    let api = Api::start_with(|settings| settings.api.slow_client = HELD).await;
    let mut begun_ones = Vec::new();
    for _ in 0..8 {
        begun_ones.push(begun(&api, 1 << 10).await);
    }
    a_large_one_is_accepted(&api, 100_000).await;
    // Far more than there would be room for if they had what they announced.
    a_large_one_is_accepted(&api, 20 << 20).await;
    for mut client in begun_ones {
        client.write_all(b"x").await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_fills_the_memory_and_stops_gives_way() {
    let api = Api::start_with(|settings| settings.api.slow_client = Duration::from_mins(1)).await;
    let mut slow = Vec::new();
    for _ in 0..9 {
        slow.push(begun(&api, 16 << 20).await);
    }
    a_large_one_is_accepted(&api, 100_000).await;
    let mut ended = slow.into_iter().map(|mut client| {
        tokio::spawn(async move {
            let mut answer = [0; 12];
            client.read_exact(&mut answer).await.is_ok().then_some(answer)
        })
    });
    let first = ended.next().unwrap();
    let answer = timeout(TIMEOUT, first).await.expect("it gave way").unwrap();
    assert_eq!(answer.as_ref(), Some(b"HTTP/1.1 503"));
    a_large_one_is_accepted(&api, 100_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_body_is_received_though_others_come_meanwhile() {
    let api = Api::start().await;
    let refused = format!(
        r#"{{"unknown": 1, "source_code": "{}"}}"#,
        "x".repeat(LIMIT - 100)
    );
    let largest = api
        .post("/jobs")
        .header("Content-Type", "application/json")
        .body(refused);
    let largest = tokio::spawn(async move { largest.send().await.unwrap() });
    while !largest.is_finished() {
        a_large_one_is_accepted(&api, 100_000).await;
    }
    assert_eq!(problem(largest.await.unwrap()).await["field"], "unknown");
}
