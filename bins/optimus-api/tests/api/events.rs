//! `GET /jobs/{id}/events`: what happens to a job, as it happens.

use std::{collections::VecDeque, time::Duration};

use optimus_common::{
    JobId,
    job::Outcome,
    result::{CompileVerdict, JobResult, Verdict},
};
use optimus_queue::{Claim, EventBus, JobQueue, KEPT_UPDATES, Progress};
use reqwest::{RequestBuilder, Response, StatusCode, header};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

use crate::support::{Api, InMemory, TIMEOUT, accepted_result, problem, submission, submission_with};

/// One event as a client reads it.
#[derive(Debug, Clone, PartialEq)]
struct Told {
    id: Option<u64>,
    event: String,
    data: Value,
}

/// What comes over one stream.
struct Stream {
    answer: Response,
    text: String,
    told: VecDeque<Told>,
    comments: usize,
}

impl Stream {
    fn of(answer: Response) -> Self {
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()[header::CONTENT_TYPE], "text/event-stream");
        Self {
            answer,
            text: String::new(),
            told: VecDeque::new(),
            comments: 0,
        }
    }

    /// Reads what comes next; false at the end.
    async fn read(&mut self) -> bool {
        let chunk = timeout(TIMEOUT, self.answer.chunk())
            .await
            .expect("something comes");
        let Some(chunk) = chunk.expect("the stream is not cut off") else {
            assert_eq!(self.text, "", "it ends with a whole event");
            return false;
        };
        self.text.push_str(str::from_utf8(&chunk).unwrap());
        while let Some(end) = self.text.find("\n\n") {
            let event: String = self.text.drain(..end + 2).collect();
            if event.starts_with(':') {
                self.comments += 1;
            } else {
                self.told.push_back(parsed(event.trim_end()));
            }
        }
        true
    }

    async fn next(&mut self) -> Option<Told> {
        loop {
            if let Some(told) = self.told.pop_front() {
                return Some(told);
            }
            if !self.read().await {
                return None;
            }
        }
    }

    async fn rest(mut self) -> Vec<Told> {
        let mut all = Vec::new();
        while let Some(told) = self.next().await {
            all.push(told);
        }
        all
    }
}

fn parsed(event: &str) -> Told {
    let mut told = Told {
        id: None,
        event: String::new(),
        data: Value::Null,
    };
    for line in event.lines() {
        let (field, value) = line.split_once(": ").expect("a field");
        match field {
            "id" => told.id = Some(value.parse().unwrap()),
            "event" => value.clone_into(&mut told.event),
            "data" => told.data = serde_json::from_str(value).unwrap(),
            other => panic!("{other}"),
        }
    }
    told
}

fn told(id: u64, event: &str, data: Value) -> Told {
    Told {
        id: Some(id),
        event: event.to_owned(),
        data,
    }
}

fn numbers(told: &[Told]) -> Vec<Option<u64>> {
    told.iter().map(|told| told.id).collect()
}

fn asks(api: &Api<InMemory>, id: JobId, query: &str) -> RequestBuilder {
    api.get(&format!("/jobs/{id}/events{query}"))
}

async fn follows(api: &Api<InMemory>, id: JobId, query: &str) -> Stream {
    Stream::of(asks(api, id, query).send().await.unwrap())
}

fn started(attempt: u32) -> Progress {
    Progress::Started { attempt }
}

fn compiled() -> Progress {
    Progress::Compiled {
        attempt: 1,
        verdict: CompileVerdict::Ok,
        execution_time_ms: 310,
        cpu_time_ms: 290,
        peak_memory_bytes: 1 << 26,
    }
}

fn crashed(test_id: u64) -> Progress {
    Progress::RunDone {
        attempt: 1,
        test_id,
        verdict: Verdict::RuntimeError,
        execution_time_ms: 14,
        cpu_time_ms: 11,
        peak_memory_bytes: 9_437_184,
        exit_code: None,
        signal: Some("SIGSEGV".to_owned()),
    }
}

/// A job under way, of which this was told.
async fn under_way(api: &Api<InMemory>, progress: &[Progress]) -> Claim {
    api.accepted(&submission()).await;
    let claim = api.claim("python").await;
    for progress in progress {
        api.store.publish(&claim.lease, progress.clone());
    }
    claim
}

async fn finish_with(api: &Api<InMemory>, claim: &Claim, result: JobResult) {
    api.store
        .finish(&claim.lease, Outcome::Completed(result))
        .await
        .unwrap();
}

/// Waits until so many streams are open.
async fn until_streams(api: &Api<InMemory>, count: usize) {
    let line = format!("\noptimus_http_event_streams {count}\n");
    let seen = async {
        loop {
            let metrics = api.get("/metrics").header("Connection", "close").send().await;
            if metrics.unwrap().text().await.unwrap().contains(&line) {
                return;
            }
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(TIMEOUT, seen).await.expect("so many streams");
}

#[tokio::test]
async fn a_job_is_followed_from_its_queue_to_its_end() {
    let api = Api::in_memory().await;
    let id = api.accepted(&submission()).await;
    let mut stream = follows(&api, id, "").await;
    for (name, value) in [
        ("cache-control", "no-store"),
        ("x-accel-buffering", "no"),
        ("transfer-encoding", "chunked"),
        ("x-content-type-options", "nosniff"),
        (
            "content-security-policy",
            "default-src 'none'; frame-ancestors 'none'",
        ),
    ] {
        assert_eq!(stream.answer.headers()[name], value, "{name}");
    }
    assert!(!stream.answer.headers().contains_key("content-encoding"));
    assert!(stream.answer.headers().contains_key("x-request-id"));

    // Each is told when it happens, not at the end.
    let queued = told(1, "queued", json!({ "job_id": id }));
    assert_eq!(stream.next().await, Some(queued));
    let claim = api.claim("python").await;
    let expected = [
        (started(1), "started", json!({ "attempt": 1 })),
        (
            compiled(),
            "compile",
            json!({
                "attempt": 1, "verdict": "ok", "execution_time_ms": 310, "cpu_time_ms": 290,
                "peak_memory_bytes": 67_108_864
            }),
        ),
        (
            crashed(u64::MAX),
            "run",
            json!({
                "attempt": 1, "test_id": u64::MAX, "passed": false, "verdict": "runtime_error",
                "execution_time_ms": 14, "cpu_time_ms": 11, "peak_memory_bytes": 9_437_184,
                "exit_code": null, "signal": "SIGSEGV"
            }),
        ),
    ];
    for (number, (progress, event, data)) in (2..).zip(expected) {
        api.store.publish(&claim.lease, progress);
        assert_eq!(stream.next().await, Some(told(number, event, data)));
    }
    let result = JobResult {
        verdict: Verdict::RuntimeError,
        score: Some(0.25),
        passed_tests: 0,
        ..accepted_result(&claim)
    };
    finish_with(&api, &claim, result).await;
    let end = json!({
        "job_id": id, "status": "completed", "verdict": "runtime_error", "score": 0.25,
        "passed_tests": 0, "total_tests": 1
    });
    assert_eq!(stream.rest().await, [told(5, "end", end)]);
    until_streams(&api, 0).await;
}

#[tokio::test]
async fn a_job_that_is_over_tells_what_is_known_and_ends() {
    let api = Api::in_memory().await;
    let claim = under_way(&api, &[started(1), crashed(1)]).await;
    // Its details are more than what is read of a result at once.
    let mut large = accepted_result(&claim);
    large.test_results[0].stdout = "x".repeat(200_000);
    finish_with(&api, &claim, large).await;
    let id = claim.lease.job;
    let all = follows(&api, id, "").await.rest().await;
    assert_eq!(numbers(&all), [1, 2, 3, 4].map(Some));
    assert_eq!(all[3].event, "end");
    assert_eq!(all[3].data["verdict"], "accepted");
    assert_eq!(all[3].data["score"], 1.0);

    // Nothing is left: a client that would connect again and again is told not to.
    let over = asks(&api, id, "?after=4").send().await.unwrap();
    assert_eq!(over.status(), StatusCode::NO_CONTENT);
    assert_eq!(over.bytes().await.unwrap().len(), 0);
}

#[tokio::test]
async fn a_cancelled_job_ends_without_a_score() {
    let api = Api::in_memory().await;
    let id = api.accepted(&submission()).await;
    let stream = follows(&api, id, "?after=1").await;
    api.delete(&format!("/jobs/{id}")).send().await.unwrap();
    let end = json!({
        "job_id": id, "status": "cancelled", "verdict": "cancelled", "score": null,
        "passed_tests": 0, "total_tests": 1
    });
    assert_eq!(stream.rest().await, [told(2, "end", end)]);
}

#[tokio::test]
async fn a_client_goes_on_after_the_last_event_it_has() {
    let api = Api::in_memory().await;
    let claim = under_way(&api, &[started(1), compiled(), crashed(1), crashed(2)]).await;
    let id = claim.lease.job;
    api.finish(&claim).await;
    let resumed = async |query: &str, last: Option<&str>| {
        let mut request = asks(&api, id, query);
        if let Some(last) = last {
            request = request.header("Last-Event-ID", last);
        }
        numbers(&Stream::of(request.send().await.unwrap()).rest().await)
    };
    assert_eq!(resumed("?after=3", None).await, [4, 5, 6].map(Some));
    assert_eq!(resumed("", Some("5")).await, [6].map(Some));
    // As a browser does, that connects again with the address it had.
    assert_eq!(resumed("?after=1", Some("4")).await, [5, 6].map(Some));
    assert_eq!(resumed("?after=0", None).await, [1, 2, 3, 4, 5, 6].map(Some));

    for (query, last, field) in [
        ("?after=x", "1", "after"),
        ("?wait=1", "1", "wait"),
        ("", "-1", "Last-Event-ID"),
    ] {
        let request = asks(&api, id, query).header("Last-Event-ID", last);
        let refused = problem(request.send().await.unwrap()).await;
        assert_eq!(
            (&refused["status"], &refused["field"]),
            (&json!(400), &json!(field))
        );
    }
}

#[tokio::test]
async fn a_second_attempt_is_told_of() {
    let api = Api::in_memory_with(|settings| settings.queue.retry_backoff = Duration::ZERO).await;
    let claim = under_way(&api, &[started(1), compiled()]).await;
    let mut stream = follows(&api, claim.lease.job, "?after=3").await;
    api.store.retry(&claim.lease, "a box broke").await.unwrap();
    let again = api.claim("python").await;
    api.store.publish(&again.lease, started(2));
    assert_eq!(
        stream.next().await,
        Some(told(4, "started", json!({ "attempt": 2 })))
    );
    api.finish(&again).await;
    let end = stream.rest().await;
    assert_eq!((end.len(), &*end[0].event), (1, "end"));
}

#[tokio::test]
async fn what_is_no_longer_kept_is_said_to_be_missing() {
    let api = Api::in_memory().await;
    let claim = under_way(&api, &[]).await;
    let id = claim.lease.job;
    for test in 0..10 + KEPT_UPDATES as u64 {
        api.store.publish(&claim.lease, crashed(test));
    }
    api.finish(&claim).await;
    let all = follows(&api, id, "?after=2").await.rest().await;
    let missed = Told {
        id: None,
        event: "missed".to_owned(),
        data: json!({}),
    };
    assert_eq!(all[0], missed);
    let left: Vec<_> = (12..=12 + KEPT_UPDATES as u64).map(Some).collect();
    assert_eq!(numbers(&all[1..]), left);
}

#[tokio::test]
async fn jobs_that_are_unknown_and_clients_that_may_not_are_refused() {
    let api = Api::in_memory_with(|settings| settings.api.tokens = vec!["secret".to_owned()]).await;
    let refused = async |id: &str, token: &str| {
        let request = api.get(&format!("/jobs/{id}/events")).bearer_auth(token);
        let problem = problem(request.send().await.unwrap()).await;
        (problem["status"].clone(), problem["type"].clone())
    };
    let unknown = JobId::new().to_string();
    let kind = |status: u16, kind: &str| (json!(status), json!(format!("urn:optimus:problem:{kind}")));
    assert_eq!(refused(&unknown, "secret").await, kind(404, "job-not-found"));
    assert_eq!(refused("7", "secret").await, kind(400, "invalid-field"));
    assert_eq!(refused(&unknown, "other").await, kind(401, "unauthorized"));
}

#[tokio::test]
async fn there_are_so_many_streams_and_no_more() {
    let api = Api::in_memory_with(|settings| settings.api.max_event_streams = 1).await;
    let id = api.accepted(&submission()).await;
    let mut first = follows(&api, id, "").await;
    first.next().await.unwrap();
    let second = asks(&api, id, "").send().await.unwrap();
    assert_eq!(second.headers()["retry-after"], "2");
    let second = problem(second).await;
    assert_eq!(second["status"], 503);
    assert_eq!(second["type"], "urn:optimus:problem:too-many-streams");
    assert!(
        second["detail"]
            .as_str()
            .unwrap()
            .contains("api.max_event_streams")
    );
    // A client that goes away makes room.
    drop(first);
    until_streams(&api, 0).await;
    let mut third = follows(&api, id, "").await;
    assert_eq!(third.next().await.unwrap().event, "queued");
}

/// The head of an answer, and what came of its body.
async fn opened(api: &Api<InMemory>, id: JobId) -> TcpStream {
    let mut client = TcpStream::connect(api.address()).await.unwrap();
    let request = format!("GET /jobs/{id}/events HTTP/1.1\r\nHost: localhost\r\n\r\n");
    client.write_all(request.as_bytes()).await.unwrap();
    client
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_off() {
    let api = Api::in_memory_with(|settings| settings.api.slow_client = Duration::from_millis(200)).await;
    let claim = under_way(&api, &[]).await;
    let _reads_nothing = opened(&api, claim.lease.job).await;
    until_streams(&api, 1).await;
    let mut reads = follows(&api, claim.lease.job, "").await;
    until_streams(&api, 2).await;
    let reading =
        tokio::spawn(
            async move { while reads.next().await.expect("it goes on").data["test_id"] != u64::MAX {} },
        );
    let told = async {
        // Until more is on its way than anybody keeps for a client.
        for test in 0.. {
            for _ in 0..256 {
                api.store.publish(&claim.lease, crashed(test));
            }
            sleep(Duration::from_millis(2)).await;
            if test % 16 == 0 {
                let metrics = api.get("/metrics").send().await.unwrap().text().await.unwrap();
                if metrics.contains("\noptimus_http_event_streams 1\n") {
                    return;
                }
            }
        }
    };
    timeout(TIMEOUT, told).await.expect("it is cut off");
    api.store.publish(&claim.lease, crashed(u64::MAX));
    timeout(TIMEOUT, reading)
        .await
        .expect("who reads is not")
        .unwrap();
}

#[tokio::test]
async fn a_stream_gives_way_to_a_new_connection() {
    let api = Api::in_memory_with(|settings| settings.api.max_connections = 1).await;
    let claim = under_way(&api, &[started(1)]).await;
    let mut stream = opened(&api, claim.lease.job).await;
    let mut first = vec![0; 4096];
    let mut heard = String::new();
    while !heard.contains("started") {
        let bytes = timeout(TIMEOUT, stream.read(&mut first)).await.unwrap().unwrap();
        heard.push_str(str::from_utf8(&first[..bytes]).unwrap());
    }
    assert_eq!(api.get("/health").send().await.unwrap().status(), StatusCode::OK);
    let mut rest = String::new();
    timeout(TIMEOUT, stream.read_to_string(&mut rest))
        .await
        .expect("it is cut off")
        .unwrap();
    assert!(!rest.contains("event: end"), "{rest}");
    api.finish(&claim).await;
    let all = follows(&api, claim.lease.job, "?after=2").await.rest().await;
    assert_eq!(numbers(&all), [Some(3)]);
}

#[tokio::test]
async fn a_shutdown_lets_streams_end_and_closes_them_in_time() {
    let mut api = Api::in_memory_with(|settings| settings.api.shutdown = Duration::from_secs(2)).await;
    let ends = under_way(&api, &[]).await;
    let goes_on = api.accepted(&submission()).await;
    let streams = [
        follows(&api, ends.lease.job, "?after=1").await,
        follows(&api, goes_on, "?after=1").await,
    ];
    until_streams(&api, 2).await;
    api.stop();
    api.finish(&ends).await;
    let [ended, closed] = streams;
    let ended = ended.rest().await;
    assert_eq!((ended.len(), &*ended[0].event), (1, "end"));
    assert_eq!(closed.rest().await, [], "it is broken off, without an end");
    api.stopped().await;
}

#[tokio::test]
async fn a_stream_outlasts_a_store_that_fails() {
    let api = Api::in_memory().await;
    let claim = under_way(&api, &[started(1)]).await;
    let id = claim.lease.job;
    let mut stream = follows(&api, id, "?after=1").await;
    assert_eq!(stream.next().await.unwrap().event, "started");
    api.store.set_unreachable(true);
    api.store.inner().publish(&claim.lease, compiled());
    // It is asked for in vain while the store is away.
    let asked = async {
        while api.store.calls(optimus_queue::faulty::StoreCall::Follow) < 3 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(TIMEOUT, asked).await.expect("the store is asked again");
    api.store.set_unreachable(false);
    assert_eq!(
        stream.next().await.unwrap().id,
        Some(3),
        "nothing is lost, or told twice"
    );
    // An end is told even where its verdict cannot be read.
    api.store.fail_next(
        optimus_queue::faulty::StoreCall::Lookup,
        optimus_queue::faulty::Fault::Refused,
    );
    api.finish(&claim).await;
    let end = stream.rest().await;
    assert_eq!(numbers(&end), [Some(4)]);
    assert_eq!(
        (
            &end[0].data["status"],
            &end[0].data["verdict"],
            &end[0].data["score"]
        ),
        (&json!("completed"), &Value::Null, &Value::Null)
    );

    api.store.set_unreachable(true);
    let refused = problem(asks(&api, id, "").send().await.unwrap()).await;
    assert_eq!(refused["type"], "urn:optimus:problem:store-unavailable");
}

#[tokio::test]
async fn a_connection_on_which_nothing_comes_is_kept_alive() {
    let api = Api::in_memory().await;
    let id = api.accepted(&submission_with("metadata", json!(null))).await;
    let mut stream = follows(&api, id, "").await;
    stream.next().await.unwrap();
    // From here on time goes by wherever everybody waits.
    tokio::time::pause();
    while stream.comments < 3 {
        assert!(stream.read().await);
    }
    assert_eq!(stream.told, [], "comments are no events");
    tokio::time::resume();
    let claim = api.claim("python").await;
    api.finish(&claim).await;
    assert_eq!(stream.next().await.unwrap().event, "end");
}
