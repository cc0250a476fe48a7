//! Content by digest, and submissions that name it.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use optimus_common::{JobId, content::Digest};
use optimus_content::{Fetcher, Holders};
use optimus_queue::JobStore;
use reqwest::{Method, StatusCode, header};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::time::timeout;
use uuid::Uuid;

use crate::support::{Api, TIMEOUT, job_id, problem, submission, submission_with};

fn digest_of(bytes: &[u8]) -> Digest {
    Digest::from(<[u8; 32]>::from(Sha256::digest(bytes)))
}

async fn put_as(api: &Api, name: &str, bytes: impl Into<reqwest::Body>) -> reqwest::Response {
    let request = api.request(Method::PUT, &format!("/blobs/{name}"));
    request.body(bytes).send().await.unwrap()
}

async fn problem_of(answer: reqwest::Response, status: StatusCode) -> Value {
    assert_eq!(answer.status(), status);
    problem(answer).await
}

async fn put(api: &Api, bytes: &[u8]) -> Digest {
    let digest = digest_of(bytes);
    let answer = put_as(api, &digest.to_string(), bytes.to_vec()).await;
    assert_eq!(answer.status(), StatusCode::CREATED);
    digest
}

async fn head(api: &Api, name: &str) -> reqwest::Response {
    let request = api.request(Method::HEAD, &format!("/blobs/{name}"));
    request.send().await.unwrap()
}

async fn is_held(api: &Api) -> bool {
    struct Asked(std::sync::Mutex<bool>);

    #[async_trait]
    impl Holders for Asked {
        async fn is_over(&self, _: JobId) -> Result<bool, Box<dyn std::error::Error + Send + Sync>> {
            *self.0.lock().unwrap() = true;
            Ok(false)
        }
    }
    let asked = Asked(std::sync::Mutex::default());
    api.content.upkeep(&asked).await.unwrap();
    asked.0.into_inner().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn content_is_stored_once_under_its_digest() {
    let api = Api::start().await;
    let bytes: Vec<_> = (0..=u8::MAX).cycle().step_by(3).take(3_000_001).collect();
    let name = digest_of(&bytes).to_string();
    assert_eq!(head(&api, &name).await.status(), StatusCode::NOT_FOUND);

    let answer = put_as(&api, &name, bytes.clone()).await;
    assert_eq!(answer.status(), StatusCode::CREATED);
    assert_eq!(answer.headers()[header::LOCATION], format!("/blobs/{name}"));
    let told: Value = answer.json().await.unwrap();
    assert_eq!(told, json!({"sha256": name, "size": 3_000_001}));

    let there = head(&api, &name).await;
    assert_eq!(there.status(), StatusCode::OK);
    assert_eq!(there.headers()[header::CONTENT_LENGTH], "3000001");

    let again = put_as(&api, &name, bytes.clone()).await;
    assert_eq!(again.status(), StatusCode::OK);
    let kept = api.content.get(digest_of(&bytes)).await.unwrap().unwrap();
    assert!(kept.into_bytes(4_000_000).await.unwrap()[..] == bytes);

    let read = api.get(&format!("/blobs/{name}")).send().await.unwrap();
    assert_eq!(read.status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_content_is_named() {
    let api = Api::start_with(|settings| settings.content.max_bytes = 1000).await;
    for name in ["ab", &"A".repeat(64), "..%2f..%2fetc", &"0".repeat(65)] {
        let refused = problem_of(put_as(&api, name, "x").await, StatusCode::BAD_REQUEST).await;
        assert_eq!(refused["field"], "sha256", "{refused}");
        assert_eq!(head(&api, name).await.status(), StatusCode::BAD_REQUEST);
    }
    let name = digest_of(b"something").to_string();
    let refused = problem_of(
        put_as(&api, &name, "another").await,
        StatusCode::UNPROCESSABLE_ENTITY,
    )
    .await;
    assert_eq!(refused["type"], "urn:optimus:problem:digest-differs");
    let found = digest_of(b"another").to_string();
    assert!(refused["detail"].as_str().unwrap().contains(&found), "{refused}");
    assert_eq!(head(&api, &found).await.status(), StatusCode::NOT_FOUND);

    let large = vec![b'x'; 1001];
    let name = digest_of(&large).to_string();
    // Once with its length announced, and once without.
    let streamed = futures_util::stream::iter(
        large
            .chunks(100)
            .map(|chunk| Ok::<_, std::io::Error>(chunk.to_vec()))
            .collect::<Vec<_>>(),
    );
    for body in [
        reqwest::Body::from(large.clone()),
        reqwest::Body::wrap_stream(streamed),
    ] {
        let refused = put_as(&api, &name, body).await;
        problem_of(refused, StatusCode::PAYLOAD_TOO_LARGE).await;
    }
    let encoded = api
        .request(Method::PUT, &format!("/blobs/{name}"))
        .header(header::CONTENT_ENCODING, "gzip")
        .body("x");
    let refused = problem_of(encoded.send().await.unwrap(), StatusCode::UNSUPPORTED_MEDIA_TYPE).await;
    assert_eq!(refused["field"], "Content-Encoding");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_store_says_so() {
    let api = Api::start_with(|settings| settings.content.max_total_bytes = 5000).await;
    put(&api, &[b'x'; 4000]).await;
    let more = [b'y'; 4000];
    let refused = put_as(&api, &digest_of(&more).to_string(), more.to_vec()).await;
    assert_eq!(refused.headers()[header::RETRY_AFTER], "60");
    let refused = problem_of(refused, StatusCode::INSUFFICIENT_STORAGE).await;
    assert_eq!(refused["type"], "urn:optimus:problem:no-room-for-content");
}

#[tokio::test(flavor = "multi_thread")]
async fn content_needs_a_token_where_there_are_some() {
    let api = Api::start_with(|settings| settings.api.tokens = vec!["secret".to_owned()]).await;
    let name = digest_of(b"x").to_string();
    problem_of(put_as(&api, &name, "x").await, StatusCode::UNAUTHORIZED).await;
    assert_eq!(head(&api, &name).await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_names_content_and_holds_it() {
    let api = Api::start_with(|settings| settings.content.min_kept = Duration::ZERO).await;
    let digest = put(&api, b"12").await;
    let test =
        json!({"id": 1, "input_sha256": digest.to_string(), "expected_output_sha256": digest.to_string()});
    let id = api.accepted(&submission_with("test_cases", json!([test]))).await;
    let claim = api.claim("python").await;
    assert_eq!(claim.lease.job, id);
    let mut submission = claim.submission;
    let named = submission.test_cases[0].input_sha256.as_ref().unwrap();
    assert_eq!((named.digest(), named.bytes()), (digest, None));
    let fetcher = Fetcher::new(Arc::clone(&api.content), 100, 0);
    let _in_memory = fetcher.fetch(&mut submission).await.unwrap();
    assert_eq!(submission.test_cases[0].input(), b"12");
    assert_eq!(submission.test_cases[0].expected_output(), b"12");
    assert!(is_held(&api).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_leave_room_for_content_and_those_of_nobody_leave_some_for_jobs() {
    const SIZE: usize = 10_000;
    let api = Api::start_with(|settings| {
        settings.content.max_total_bytes = 8 * (SIZE as u64 + 256);
        settings.content.min_kept = Duration::ZERO;
    })
    .await;
    let submit = async |language: &str, number: u8| {
        let digest = digest_of(&[number; SIZE]).to_string();
        let stored = put_as(&api, &digest, vec![number; SIZE]).await;
        assert!(stored.status().is_success(), "{stored:?}");
        let test = json!({"id": 1, "input_sha256": digest, "expected_output": ""});
        let mut submission = submission_with("test_cases", json!([test]));
        submission["language"] = json!(language);
        api.submit(&submission).await
    };
    api.announce(&[("python", None)]).await;
    // Nobody takes these, so they hold a quarter of the room.
    for number in [0, 1, 1] {
        assert_eq!(submit("java", number).await.status(), StatusCode::ACCEPTED);
    }
    let refused = problem_of(submit("java", 2).await, StatusCode::INSUFFICIENT_STORAGE).await;
    assert_eq!(refused["type"], "urn:optimus:problem:no-room-for-content");
    // All of them hold a half, and what no job holds makes room.
    for number in [3, 4] {
        assert_eq!(submit("python", number).await.status(), StatusCode::ACCEPTED);
    }
    for number in 5..12 {
        let refused = submit("python", number).await;
        problem_of(refused, StatusCode::INSUFFICIENT_STORAGE).await;
    }
    // And what is held already takes no more.
    assert_eq!(submit("python", 0).await.status(), StatusCode::ACCEPTED);

    // What one job has done with another one may hold.
    api.finish(&api.claim("python").await).await;
    let upkept = api.content.upkeep(&Stored(&*api.store)).await.unwrap();
    assert_eq!(upkept.released, 1);
    assert_eq!(submit("python", 12).await.status(), StatusCode::ACCEPTED);
}

/// Whose jobs are over when their store says so.
struct Stored<'a>(&'a dyn JobStore);

#[async_trait]
impl Holders for Stored<'_> {
    async fn is_over(&self, job: JobId) -> Result<bool, Box<dyn std::error::Error + Send + Sync>> {
        let job = self.0.lookup(job).await?;
        Ok(job.is_none_or(|job| job.record.status.is_terminal()))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_submission_names_must_be_there() {
    let api = Api::start_with(|settings| settings.content.min_kept = Duration::ZERO).await;
    let there = put(&api, b"12").await.to_string();
    let missing = digest_of(b"missing").to_string();
    for (test, field) in [
        (
            json!({"id": 1, "input_sha256": missing, "expected_output": ""}),
            "test_cases[0].input_sha256",
        ),
        (
            json!({"id": 1, "input_sha256": there, "expected_output_sha256": missing}),
            "test_cases[0].expected_output_sha256",
        ),
        (
            json!({"id": 1, "input_sha256": "12", "expected_output": ""}),
            "test_cases[0].input_sha256",
        ),
        (
            json!({"id": 1, "input_sha256": there, "input": "", "expected_output": ""}),
            "test_cases[0].input_sha256",
        ),
    ] {
        let answer = api.submit(&submission_with("test_cases", json!([test]))).await;
        let refused = problem_of(answer, StatusCode::BAD_REQUEST).await;
        assert_eq!(refused["field"], field, "{refused}");
    }
    let queues: Value = api.get("/queues").send().await.unwrap().json().await.unwrap();
    let waiting: u64 = queues["queues"]
        .as_array()
        .unwrap()
        .iter()
        .map(|queue| queue["waiting"].as_u64().unwrap())
        .sum();
    assert_eq!(waiting, 0);
    assert!(!is_held(&api).await, "nothing was stored, and so nothing is held");
}

#[tokio::test(flavor = "multi_thread")]
async fn named_content_counts_as_what_is_sent_does() {
    let api = Api::start_with(|settings| {
        settings.limits.max.source_bytes = 100;
        settings.content.max_job_bytes = 250;
    })
    .await;
    let digest = put(&api, &[b' '; 101]).await.to_string();
    let mut submission = submission_with("files", json!([{"name": "a.py", "content_sha256": digest}]));
    submission.as_object_mut().unwrap().remove("source_code");
    let refused = problem_of(api.submit(&submission).await, StatusCode::BAD_REQUEST).await;
    assert_eq!(refused["field"], "files", "{refused}");

    let test = |id| json!({"id": id, "input_sha256": digest, "expected_output": ""});
    let submission = |tests| submission_with("test_cases", Value::Array(tests));
    api.accepted(&submission(vec![test(1), test(2)])).await;
    let three = api.submit(&submission(vec![test(1), test(2), test(3)])).await;
    let refused = problem_of(three, StatusCode::BAD_REQUEST).await;
    assert_eq!(refused["field"], "test_cases[2].input_sha256", "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repetition_is_answered_when_its_content_is_gone() {
    let api = Api::start_with(|settings| settings.content.min_kept = Duration::ZERO).await;
    let digest = put(&api, b"12").await;
    let test = json!({"id": 1, "input_sha256": digest.to_string(), "expected_output": "12"});
    let body = submission_with("test_cases", json!([test])).to_string();
    let send = async |key: &str, body: &str| {
        let request = api
            .post("/jobs")
            .header(header::CONTENT_TYPE, "application/json")
            .header("Idempotency-Key", key);
        request.body(body.to_owned()).send().await.unwrap()
    };
    let first = send("k", &body).await;
    assert_eq!(first.status(), StatusCode::ACCEPTED);
    let first = job_id(&first.json().await.unwrap());
    api.finish(&api.claim("python").await).await;
    api.memory.damage(digest, None);

    for unreachable in [false, true] {
        api.content_faults.set_unreachable(unreachable);
        let again = send("k", &body).await;
        assert_eq!(again.status(), StatusCode::ACCEPTED);
        assert_eq!(again.headers()["idempotency-replayed"], "true");
        assert_eq!(job_id(&again.json().await.unwrap()), first);
        let other = body.replace("python", "javascript");
        problem_of(send("k", &other).await, StatusCode::UNPROCESSABLE_ENTITY).await;
    }
    api.content_faults.set_unreachable(false);
    problem_of(send("new", &body).await, StatusCode::BAD_REQUEST).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_content_is_missed_and_mended_by_a_put() {
    let api = Api::start().await;
    let digest = put(&api, b"what was stored").await;
    api.memory.damage(digest, Some("what was st0red".into()));
    // The client sends the right bytes: they take the place of the others.
    assert_eq!(put(&api, b"what was stored").await, digest);
    let kept = api.content.get(digest).await.unwrap().unwrap();
    assert_eq!(kept.into_bytes(100).await.unwrap()[..], b"what was stored"[..]);
}

#[tokio::test(flavor = "multi_thread")]
async fn content_that_no_worker_can_read_is_not_taken_for_a_job() {
    let api = Api::start_with(|settings| settings.content.min_kept = Duration::ZERO).await;
    let digest = put(&api, b"12").await;
    let test = json!({"id": 1, "input_sha256": digest.to_string(), "expected_output": "12"});
    let body = submission_with("test_cases", json!([test]));
    api.announce_with_content(&[("python", None)], Some(Uuid::now_v7()))
        .await;
    let refused = problem_of(api.submit(&body).await, StatusCode::SERVICE_UNAVAILABLE).await;
    assert_eq!(refused["type"], "urn:optimus:problem:content-elsewhere");
    assert!(
        refused["detail"].as_str().unwrap().contains("content.store"),
        "{refused}"
    );
    assert!(!is_held(&api).await);
    // What brings all along is no matter of content.
    api.accepted(&submission()).await;

    let own = api.content.identity().await.unwrap();
    api.announce_with_content(&[("python", None)], Some(own)).await;
    let accepted = async {
        while api.submit(&body).await.status() != StatusCode::ACCEPTED {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(TIMEOUT, accepted).await.unwrap();
}
