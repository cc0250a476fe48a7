//! Slow, greedy and many clients at once, and one who only wants a small job graded.

use std::{net::Ipv4Addr, time::Duration};

use optimus_api::Settings;
use optimus_common::{JobId, WorkerId, job::Outcome};
use optimus_queue::{Claim, JobQueue, redis::RedisStore};
use optimus_service::open_files;
use reqwest::StatusCode;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::{sleep, timeout},
};

use crate::{
    process::Program,
    support::{Api, Redis, accepted_result, connect, job_id, language_name, submission},
};

/// Much longer than any of this takes; it bounds a test that hangs.
const TIMEOUT: Duration = Duration::from_mins(2);

/// What clients may be behind here: longer than the test, so that every one of them is held throughout.
const HELD: &str = "3600000";

async fn claim(store: &RedisStore) -> Claim {
    let (language, worker) = (language_name("python"), WorkerId::new());
    let claimed = async {
        loop {
            if let Some(claim) = store.claim(&language, &worker).await.unwrap() {
                return claim;
            }
            store
                .wait_for_work(&language, Duration::from_secs(1))
                .await
                .unwrap();
        }
    };
    timeout(TIMEOUT, claimed).await.expect("a job to claim")
}

/// Finishes a job with a result of 48 MiB: control characters, of which each is six bytes.
async fn finish_with_a_large_result(store: &RedisStore) {
    let claim = claim(store).await;
    let mut result = accepted_result(&claim);
    result.test_results[0].stdout = "\u{1}".repeat(8 << 20);
    store
        .finish(&claim.lease, Outcome::Completed(result))
        .await
        .unwrap();
}

async fn opened(address: &str, sent: &[u8]) -> TcpStream {
    opened_from("127.0.0.1", address, sent).await
}

/// As a client at this address of loopback.
async fn opened_from(client: &str, address: &str, sent: &[u8]) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket
        .bind((client.parse::<Ipv4Addr>().unwrap(), 0).into())
        .unwrap();
    let mut client = socket.connect(address.parse().unwrap()).await.unwrap();
    client.write_all(sent).await.unwrap();
    client
}

/// A client that asks for this job, reads the status and no more.
async fn slow_reader(address: &str, job: JobId) -> TcpStream {
    let request = format!("GET /jobs/{job} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let mut client = opened(address, request.as_bytes()).await;
    let mut status = [0; 12];
    timeout(TIMEOUT, client.read_exact(&mut status))
        .await
        .expect("an answer")
        .unwrap();
    assert_eq!(&status, b"HTTP/1.1 200");
    client
}

/// A submission of 1 MiB, of which all but nine bytes have been sent.
async fn dripping_body(address: &str) -> (TcpStream, [u8; 9]) {
    let mut job = submission();
    job["source_code"] = format!("#{}", "x".repeat(1 << 20)).into();
    let body = job.to_string();
    let (most, rest) = body.as_bytes().split_last_chunk().unwrap();
    let head = format!(
        "POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        body.len()
    );
    (opened(address, &[head.as_bytes(), most].concat()).await, *rest)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_job_is_graded_among_slow_greedy_and_many_clients() {
    open_files::raise_limit();
    let redis = Redis::start();
    let mut program = Program::start_with(&redis, &[("OPTIMUS__API__SLOW_CLIENT_MS", HELD)]);
    let address = program.address();
    let mut settings = Settings::defaults();
    settings.redis.url = redis.url();
    let store = connect(&settings).await;
    let client = reqwest::Client::new();
    let jobs = format!("http://{address}/jobs");
    let posted = client.post(&jobs).json(&submission()).send().await.unwrap();
    let large = job_id(&posted.json().await.unwrap());
    finish_with_a_large_result(&store).await;

    let mut idle = Vec::new();
    for i in 0..1000 {
        // Some have begun a request.
        let sent: &[u8] = if i % 2 == 0 {
            b""
        } else {
            b"GET /queues HTTP/1.1\r\nHost:"
        };
        idle.push(opened(&address, sent).await);
    }
    let mut readers = Vec::new();
    for _ in 0..100 {
        readers.push(slow_reader(&address, large).await);
    }
    let mut bodies = Vec::new();
    for _ in 0..64 {
        bodies.push(dripping_body(&address).await);
    }

    let graded = async {
        let posted = client.post(format!("{jobs}?wait=60")).json(&submission()).send();
        let working = async {
            let claim = claim(&store).await;
            let outcome = Outcome::Completed(accepted_result(&claim));
            store.finish(&claim.lease, outcome).await.unwrap();
        };
        let (answer, ()) = tokio::join!(posted, working);
        answer.unwrap()
    };
    let answer = timeout(TIMEOUT, graded).await.expect("a small job is graded");
    assert_eq!(answer.status(), StatusCode::OK);
    let record: Value = answer.json().await.unwrap();
    assert_eq!(record["result"]["verdict"], "accepted");
    let read = client
        .get(format!("{jobs}/{}", job_id(&record)))
        .send()
        .await
        .unwrap();
    assert_eq!(read.json::<Value>().await.unwrap()["status"], "completed");
    let peak = program.peak_kib();
    assert!(peak < 300 << 10, "{peak} KiB");

    // All of them were still there.
    let (mut body, rest) = bodies.pop().unwrap();
    body.write_all(&rest).await.unwrap();
    let mut answer = String::new();
    timeout(TIMEOUT, body.read_to_string(&mut answer))
        .await
        .expect("an answer")
        .unwrap();
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    let mut reader = readers.pop().unwrap();
    let mut answer = Vec::new();
    timeout(TIMEOUT, reader.read_to_end(&mut answer))
        .await
        .expect("the whole answer")
        .unwrap();
    let body = answer.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
    let record: Value = serde_json::from_slice(&answer[body..]).unwrap();
    let stdout = record["result"]["test_results"][0]["stdout"].as_str().unwrap();
    assert_eq!(stdout.len(), 8 << 20);
    let mut last = idle.pop().unwrap();
    last.write_all(b" localhost\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    last.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let peak = program.peak_kib();
    assert!(peak < 300 << 10, "{peak} KiB");
}

/// A request over a connection of its own.
async fn ordinary(api: &Api) -> StatusCode {
    let request = api.get("/health").header("Connection", "close").send();
    let answer = timeout(TIMEOUT, request).await.expect("an answer");
    answer.unwrap().status()
}

/// What a new client is answered, and nothing where its connection is closed. There may be an answer before it has asked.
async fn health(api: &Api) -> String {
    health_from("127.0.0.1", api).await
}

async fn health_from(client: &str, api: &Api) -> String {
    let request = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let mut client = opened_from(client, api.address(), request).await;
    let mut answer = String::new();
    let _ = client.read_to_string(&mut answer).await;
    answer
}

async fn until_waiting(api: &Api, requests: u32) {
    let waits = async {
        loop {
            let metrics = api
                .get("/metrics")
                .header("Connection", "close")
                .send()
                .await
                .unwrap();
            let line = format!("\noptimus_http_waiting_requests {requests}\n");
            if metrics.text().await.unwrap().contains(&line) {
                break;
            }
        }
    };
    timeout(TIMEOUT, waits).await.expect("requests that wait");
}

#[tokio::test]
async fn idle_connections_give_way_where_there_is_room_for_no_more() {
    let api = Api::start_with(|settings| settings.api.max_connections = 8).await;
    // Long polls are under way, and stay.
    let id = api.accepted(&submission()).await;
    let poll = format!("GET /jobs/{id}?wait=60 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let mut polls = Vec::new();
    for _ in 0..4 {
        polls.push(opened(api.address(), poll.as_bytes()).await);
    }
    until_waiting(&api, 4).await;
    let mut idle = Vec::new();
    for _ in 0..12 {
        idle.push(opened(api.address(), b"").await);
        // Nothing more comes over it.
        sleep(Duration::from_millis(300)).await;
        assert_eq!(ordinary(&api).await, StatusCode::OK);
    }
    let mut first = idle.swap_remove(0);
    let closed = timeout(TIMEOUT, first.read(&mut [0]))
        .await
        .expect("it was closed");
    assert!(closed.map_or(true, |bytes| bytes == 0));

    let claim = api.claim("python").await;
    api.finish(&claim).await;
    for mut poll in polls {
        let mut answer = String::new();
        timeout(TIMEOUT, poll.read_to_string(&mut answer))
            .await
            .expect("the job's end")
            .unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 200 ") && answer.contains("completed"),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn requests_that_wait_give_way_where_they_have_every_place() {
    const PLACES: u32 = 8;
    let api = Api::start_with(|settings| settings.api.max_connections = PLACES).await;
    let id = api.accepted(&submission()).await;
    // One more than there are places, once all of those are taken.
    let poll = format!("GET /jobs/{id}?wait=3600 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let poll = || opened(api.address(), poll.as_bytes());
    let mut polls = Vec::new();
    for i in 1..PLACES {
        polls.push(poll().await);
        until_waiting(&api, i).await;
    }
    polls.push(poll().await);
    assert_eq!(ordinary(&api).await, StatusCode::OK);
    // The first was told what there is to tell, and that its connection ends.
    let mut first = polls.swap_remove(0);
    let mut answer = String::new();
    timeout(TIMEOUT, first.read_to_string(&mut answer))
        .await
        .expect("the longest wait ended")
        .unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(
        head.to_ascii_lowercase().contains("\r\nconnection: close"),
        "{head}"
    );
    let record: Value = serde_json::from_str(body).unwrap();
    assert_eq!(record["status"], "queued");

    // A submission that waits is accepted when its turn to give way comes.
    let body = submission().to_string();
    let post = format!(
        "POST /jobs?wait=3600 HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    drop(polls);
    until_waiting(&api, 0).await;
    let mut posted = opened(api.address(), post.as_bytes()).await;
    until_waiting(&api, 1).await;
    let mut polls = Vec::new();
    for _ in 0..2 * PLACES {
        polls.push(poll().await);
        assert_eq!(ordinary(&api).await, StatusCode::OK);
    }
    let mut answer = String::new();
    timeout(TIMEOUT, posted.read_to_string(&mut answer))
        .await
        .expect("its wait ended")
        .unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 202 ") && answer.contains("\"queued\""),
        "{answer}"
    );
}

#[tokio::test]
async fn a_body_that_does_not_arrive_gives_way_where_it_has_the_place() {
    let api = Api::start_with(|settings| {
        settings.api.max_connections = 1;
        settings.api.slow_client = Duration::from_hours(1);
    })
    .await;
    let head = "POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\
                Expect: 100-continue\r\n\r\n";
    let goes_on = "HTTP/1.1 100 Continue\r\n\r\n";
    for sent in ["", "{"] {
        let mut slow = opened(api.address(), head.as_bytes()).await;
        let mut told = vec![0; goes_on.len()];
        timeout(TIMEOUT, slow.read_exact(&mut told))
            .await
            .expect("its head has arrived")
            .unwrap();
        assert_eq!(told, goes_on.as_bytes());
        slow.write_all(sent.as_bytes()).await.unwrap();
        let served = async {
            while !health(&api).await.starts_with("HTTP/1.1 200 ") {
                sleep(Duration::from_millis(100)).await;
            }
        };
        timeout(TIMEOUT, served).await.expect("another client is served");
        let mut answer = String::new();
        timeout(TIMEOUT, slow.read_to_string(&mut answer))
            .await
            .expect("it gave way")
            .unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 503 "), "{answer}");
        let head = head.to_ascii_lowercase();
        for line in ["\r\nconnection: close", "\r\nretry-after: "] {
            assert!(head.contains(line), "{head}");
        }
        let problem: Value = serde_json::from_str(body).unwrap();
        assert_eq!(problem["type"], "urn:optimus:problem:too-many-connections");
    }
}

#[tokio::test]
async fn a_client_without_a_place_is_told_so() {
    let api = Api::start_with(|settings| {
        settings.api.max_connections = 2;
        settings.api.slow_client = Duration::from_hours(1);
    })
    .await;
    let id = api.accepted(&submission()).await;
    finish_with_a_large_result(&api.store).await;
    // Answers under way, which nobody reads.
    let _readers = [
        slow_reader(api.address(), id).await,
        slow_reader(api.address(), id).await,
    ];
    let told = async {
        loop {
            let answer = health(&api).await;
            if answer.starts_with("HTTP/1.1 503 ") {
                return answer;
            }
        }
    };
    let answer = timeout(TIMEOUT, told).await.expect("every place is taken");
    assert!(
        answer.contains("application/problem+json") && answer.contains("api.max_connections"),
        "{answer}"
    );
}

#[tokio::test]
async fn who_has_every_place_leaves_others_a_share() {
    let api = Api::start_with(|settings| {
        settings.api.max_connections = 4;
        settings.api.slow_client = Duration::from_hours(1);
    })
    .await;
    let id = api.accepted(&submission()).await;
    finish_with_a_large_result(&api.store).await;
    let mut readers = Vec::new();
    for _ in 0..4 {
        readers.push(slow_reader(api.address(), id).await);
    }
    // Another client is served, though nobody leaves.
    let served = async {
        while !health_from("127.0.0.2", &api).await.starts_with("HTTP/1.1 200 ") {
            sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(TIMEOUT, served).await.expect("another client is served");
    let mut lengths = Vec::new();
    for mut reader in readers {
        let mut answer = Vec::new();
        let _ = timeout(TIMEOUT, reader.read_to_end(&mut answer))
            .await
            .expect("the connection ends");
        lengths.push(answer.len());
    }
    let whole = |length: &usize| *length > 48 << 20;
    assert!(!whole(&lengths[0]), "{lengths:?}");
    assert!(
        lengths[1..].iter().all(whole),
        "the one longest under way is enough: {lengths:?}"
    );
}

#[tokio::test]
async fn who_reads_too_slowly_is_cut_off() {
    let api = Api::start_with(|settings| settings.api.slow_client = Duration::from_millis(500)).await;
    let id = api.accepted(&submission()).await;
    finish_with_a_large_result(&api.store).await;
    let mut client = slow_reader(api.address(), id).await;
    // What is in the sockets already still arrives; then it ends.
    sleep(Duration::from_secs(3)).await;
    let mut answer = Vec::new();
    let _ = timeout(TIMEOUT, client.read_to_end(&mut answer))
        .await
        .expect("the connection ends");
    assert!(answer.len() < 40 << 20, "{} bytes", answer.len());
}
