//! Everything that is refused before anything is stored, and the field each answer names.

use optimus_queue::JobQueue;
use reqwest::{Body, Method, StatusCode, header};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{Api, problem, submission, submission_with};

async fn nothing_is_stored(api: &Api) {
    assert!(api.store.totals().await.unwrap().submitted.is_empty());
}

#[tokio::test]
async fn each_invalid_field_is_named() {
    let api = Api::start().await;
    let test = |test: Value| submission_with("test_cases", json!([test]));
    let files = |files: Value| {
        let mut submission = submission();
        submission.as_object_mut().unwrap().remove("source_code");
        submission["files"] = files;
        submission
    };
    let ok = json!({"id": 1, "expected_output": ""});
    for (field, body) in [
        ("sorce_code", submission_with("sorce_code", "".into())),
        (
            "callback_url",
            submission_with("callback_url", "http://example.org".into()),
        ),
        ("language", submission_with("language", "cobol-85".into())),
        ("language", submission_with("language", "Python 3".into())),
        ("language", submission_with("language", 3.into())),
        ("source_code", submission_with("source_code", Value::Null)),
        (
            "source_code",
            submission_with("source_code", "x".repeat(5 << 20).into()),
        ),
        (
            "files",
            submission_with("files", json!([{"name": "a.py", "content": ""}])),
        ),
        (
            "files[0].name",
            files(json!([{"name": "../a.py", "content": ""}])),
        ),
        ("files[0].name", files(json!([{"name": "/a.py", "content": ""}]))),
        (
            "files[1].name",
            files(json!([{"name": "a.py", "content": ""}, {"name": "a.py", "content": ""}])),
        ),
        ("files[0].content", files(json!([{"name": "a.py"}]))),
        (
            "files[0].content_base64",
            files(json!([{"name": "a.py", "content_base64": "?"}])),
        ),
        (
            "files[0].mode",
            files(json!([{"name": "a.py", "content": "", "mode": 7}])),
        ),
        ("entry_point", submission_with("entry_point", "a.py".into())),
        ("test_cases", submission_with("test_cases", json!([]))),
        ("test_cases", submission_with("test_cases", "none".into())),
        (
            "test_cases",
            submission_with("test_cases", vec![ok.clone(); 1001].into()),
        ),
        ("test_cases[1].id", submission_with("test_cases", json!([ok, ok]))),
        ("test_cases[0].id", test(json!({"expected_output": ""}))),
        (
            "test_cases[0].id",
            test(json!({"id": "1", "expected_output": ""})),
        ),
        ("test_cases[0].expected_output", test(json!({"id": 1}))),
        ("test_cases[0].output", test(json!({"id": 1, "output": ""}))),
        (
            "test_cases[0].points",
            test(json!({"id": 1, "expected_output": "", "points": -1})),
        ),
        ("timeout_ms", submission_with("timeout_ms", 0.into())),
        ("timeout_ms", submission_with("timeout_ms", 1_000_000.into())),
        ("timeout_ms", submission_with("timeout_ms", "5000".into())),
        ("timeout_ms", submission_with("timeout_ms", 1.5.into())),
        (
            "memory_limit_mb",
            submission_with("memory_limit_mb", 1_000_000.into()),
        ),
        (
            "output_limit_bytes",
            submission_with("output_limit_bytes", (1_u64 << 40).into()),
        ),
        ("args", submission_with("args", vec!["x"; 300].into())),
        ("args[0]", submission_with("args", json!(["\u{0}"]))),
        ("env.A=B", submission_with("env", json!({"A=B": ""}))),
        (
            "checker.type",
            submission_with("checker", json!({"type": "program"})),
        ),
        (
            "checker.abs_tolerance",
            submission_with("checker", json!({"type": "float", "abs_tolerance": -1})),
        ),
        (
            "checker.case",
            submission_with("checker", json!({"type": "tokens", "case": false})),
        ),
        ("priority", submission_with("priority", "urgent".into())),
        ("priority", submission_with("priority", json!({"batch": null}))),
        (
            "test_cases[0]",
            submission_with("test_cases", json!([[1, "in", null, "out"]])),
        ),
        ("files[0]", files(json!([["main.py", "print(1)"]]))),
        ("checker", submission_with("checker", json!(["float", 1, 0]))),
        (
            "checker.abs_tolerance",
            submission_with("checker", json!({"type": "float", "abs_tolerance": "x"})),
        ),
        ("metadata", submission_with("metadata", "x".repeat(20_000).into())),
    ] {
        let answer = api.submit(&body).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{field}");
        let problem = problem(answer).await;
        assert_eq!(problem["field"], field, "{problem}");
        assert_eq!(problem["errors"][0]["field"], field);
    }
    nothing_is_stored(&api).await;
}

#[tokio::test]
async fn an_unknown_language_is_answered_with_the_known_ones() {
    let api = Api::start().await;
    let problem = problem(api.submit(&submission_with("language", "perl".into())).await).await;
    let detail = problem["detail"].as_str().unwrap();
    assert!(
        detail.contains("perl") && detail.contains("python") && detail.contains("javascript"),
        "{detail}"
    );
}

#[tokio::test]
async fn a_language_added_to_the_file_is_known_at_once() {
    let api = Api::start().await;
    let mut languages: Value =
        serde_json::from_str(&std::fs::read_to_string(&api.languages_file).unwrap()).unwrap();
    let list = languages["languages"].as_array_mut().unwrap();
    let mut added = list[0].clone();
    added["name"] = "added".into();
    added["queue_name"] = "optimus:queue:added".into();
    list.push(added);
    assert_eq!(
        api.submit(&submission_with("language", "added".into()))
            .await
            .status(),
        400
    );
    std::fs::write(&api.languages_file, languages.to_string()).unwrap();
    assert_eq!(
        api.submit(&submission_with("language", "added".into()))
            .await
            .status(),
        202
    );
}

#[tokio::test]
async fn malformed_bodies_are_answered_with_the_place() {
    let api = Api::start().await;
    for (body, line) in [
        (&b""[..], 1),
        (b"{", 1),
        (b"{\n\"language\": python}", 2),
        (b"{\"language\": \"pyth\xff\xfe\"}", 1),
        (b"\xef\xbb\xbf{}", 1),
        (b"{\"language\": \"\\ud800\"}", 1),
    ] {
        let answer = api.submit_text(body.to_vec()).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
        let problem = problem(answer).await;
        assert_eq!(problem["line"], line, "{problem}");
        assert!(problem["column"].is_u64());
    }
    let trailing = format!("{} x", submission());
    assert!(problem(api.submit_text(trailing).await).await["column"].is_u64());
    nothing_is_stored(&api).await;
}

#[tokio::test]
async fn names_that_stand_twice_are_refused() {
    let api = Api::start().await;
    let twice = submission().to_string().replacen('{', "{\"timeout_ms\": 1, ", 1);
    assert_eq!(problem(api.submit_text(twice).await).await["field"], "timeout_ms");
    let endless = submission()
        .to_string()
        .replacen('{', "{\"timeout_ms\": 1e400, ", 1);
    assert_eq!(
        problem(api.submit_text(endless).await).await["field"],
        "timeout_ms"
    );
    let twice = submission()
        .to_string()
        .replacen('{', "{\"metadata\": {\"a\": 1, \"a\": 2}, ", 1);
    assert_eq!(problem(api.submit_text(twice).await).await["field"], "metadata.a");
}

#[tokio::test]
async fn nesting_is_followed_so_deep_and_no_deeper() {
    let api = Api::start().await;
    let nested = |depth: usize| {
        let metadata = "[".repeat(depth) + &"]".repeat(depth);
        submission()
            .to_string()
            .replacen('{', &format!("{{\"metadata\": {metadata}, "), 1)
    };
    assert_eq!(
        api.submit_text(nested(100_000)).await.status(),
        StatusCode::BAD_REQUEST
    );
    assert_eq!(
        api.submit_text(nested(1_000)).await.status(),
        StatusCode::BAD_REQUEST
    );
    let answer = api.submit_text(nested(100)).await;
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    api.finish(&api.claim("python").await).await;
    let path = answer.headers()[header::LOCATION].to_str().unwrap();
    assert_eq!(api.get(path).send().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_with_and_without_its_length() {
    let api = Api::start_with(|settings| settings.api.body_limit_bytes = 100_000).await;
    let body = || submission_with("source_code", "x".repeat(8_000_000).into()).to_string();
    let announced = api.submit_text(body()).await;
    assert_eq!(announced.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert!(
        problem(announced).await["detail"]
            .as_str()
            .unwrap()
            .contains("100000")
    );

    let chunks: Vec<_> = body().into_bytes().chunks(10_000).map(<[u8]>::to_vec).collect();
    let stream = futures_util::stream::iter(chunks.into_iter().map(Ok::<_, std::io::Error>));
    let chunked = api.submit_text(Body::wrap_stream(stream)).await;
    assert_eq!(chunked.status(), StatusCode::PAYLOAD_TOO_LARGE);

    let just_below = submission_with("source_code", "x".repeat(99_000).into());
    assert_eq!(api.submit(&just_below).await.status(), StatusCode::ACCEPTED);
}

#[tokio::test]
async fn a_client_that_asks_first_is_not_made_to_send_what_is_too_large() {
    let api = Api::start_with(|settings| settings.api.body_limit_bytes = 100_000).await;
    let mut client = TcpStream::connect(api.address()).await.unwrap();
    let head = "POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n\
                Content-Length: 100001\r\nExpect: 100-continue\r\n\r\n";
    client.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test]
async fn only_json_is_taken() {
    let api = Api::start().await;
    let body = submission().to_string();
    for content_type in [
        None,
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
    ] {
        let mut request = api.post("/jobs").body(body.clone());
        if let Some(content_type) = content_type {
            request = request.header(header::CONTENT_TYPE, content_type);
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
        assert_eq!(problem(answer).await["field"], "Content-Type");
    }
    let with_charset = api
        .post("/jobs")
        .header(header::CONTENT_TYPE, "application/json; charset=utf-8");
    assert_eq!(
        with_charset.body(body).send().await.unwrap().status(),
        StatusCode::ACCEPTED
    );
}

#[tokio::test]
async fn parameters_and_headers_are_checked_too() {
    let api = Api::start().await;
    for (query, field) in [
        ("wait=soon", "wait"),
        ("wait=-1", "wait"),
        ("wait=", "wait"),
        ("wait=1&wait=2", "wait"),
        ("wiat=1", "wiat"),
    ] {
        let answer = api
            .post(&format!("/jobs?{query}"))
            .json(&submission())
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
        assert_eq!(problem(answer).await["field"], field);
    }
    let keys = [
        b"".to_vec(),
        b"a b".to_vec(),
        vec![b'k'; 256],
        "\u{e9}".as_bytes().to_vec(),
    ];
    for key in keys {
        let answer = api
            .post("/jobs")
            .header("Idempotency-Key", key)
            .json(&submission())
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
        assert_eq!(problem(answer).await["field"], "Idempotency-Key");
    }
    nothing_is_stored(&api).await;
}

#[tokio::test]
async fn unknown_jobs_routes_and_methods_are_problems_too() {
    let api = Api::start().await;
    let unknown = "/jobs/01934f5e-0000-7000-8000-000000000000";
    for request in [
        api.get(unknown),
        api.get(&format!("{unknown}?wait=1")),
        api.delete(unknown),
    ] {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::NOT_FOUND);
        assert_eq!(problem(answer).await["instance"], unknown);
    }
    for path in [
        "/jobs/1",
        "/jobs/%ff",
        "/jobs/01934f5e-0000-7000-8000-00000000000g",
    ] {
        for request in [api.get(path), api.delete(path)] {
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{path}");
            assert_eq!(problem(answer).await["field"], "id");
        }
    }
    for path in ["/", "/job", "/jobs/", "/jobs/1/2"] {
        let answer = api.get(path).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
        problem(answer).await;
    }
    for (method, path) in [
        (Method::PUT, "/jobs"),
        (Method::GET, "/jobs"),
        (Method::POST, "/health"),
    ] {
        let answer = api.request(method, path).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert!(answer.headers().contains_key(header::ALLOW));
        problem(answer).await;
    }
}

#[tokio::test]
async fn a_full_queue_asks_to_come_again() {
    let api = Api::start_with(|settings| settings.queue.max_waiting_jobs = 2).await;
    api.accepted(&submission()).await;
    api.accepted(&submission()).await;
    let full = api.submit(&submission()).await;
    assert_eq!(full.status(), StatusCode::TOO_MANY_REQUESTS);
    let seconds: u64 = full.headers()[header::RETRY_AFTER]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!(seconds > 0);
    problem(full).await;

    // One claimed leaves room for one more.
    api.claim("python").await;
    api.accepted(&submission()).await;
}

#[tokio::test]
async fn tokens_guard_everything_but_probes_and_the_document() {
    let api = Api::start_with(|settings| settings.api.tokens = vec!["one".into(), "two".into()]).await;
    let guarded = [
        "/jobs/01934f5e-0000-7000-8000-000000000000",
        "/languages",
        "/queues",
        "/metrics",
    ];
    for path in guarded {
        for request in [
            api.get(path),
            api.get(path).bearer_auth("three"),
            api.get(path).basic_auth("one", None::<&str>),
        ] {
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{path}");
            assert_eq!(answer.headers()[header::WWW_AUTHENTICATE], "Bearer");
            problem(answer).await;
        }
        let known = api.get(path).bearer_auth("two").send().await.unwrap();
        assert_ne!(known.status(), StatusCode::UNAUTHORIZED, "{path}");
    }
    assert_eq!(api.submit(&submission()).await.status(), StatusCode::UNAUTHORIZED);
    let submitted = api
        .post("/jobs")
        .bearer_auth("one")
        .json(&submission())
        .send()
        .await
        .unwrap();
    assert_eq!(submitted.status(), StatusCode::ACCEPTED);
    for path in ["/health", "/ready", "/openapi.json"] {
        assert_ne!(
            api.get(path).send().await.unwrap().status(),
            StatusCode::UNAUTHORIZED,
            "{path}"
        );
    }
}
