//! Readiness, languages, queues and metrics.

use std::collections::BTreeMap;

use optimus_queue::JobQueue;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{Api, problem, submission, submission_with};

async fn json_of(api: &Api, path: &str) -> Value {
    let answer = api.get(path).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK, "{path}");
    answer.json().await.unwrap()
}

fn entry<'a>(list: &'a Value, key: &str, name: &str) -> &'a Value {
    list.as_array()
        .unwrap()
        .iter()
        .find(|entry| entry[key] == name)
        .unwrap()
}

#[tokio::test]
async fn ready_means_that_a_worker_takes_jobs() {
    let api = Api::start().await;
    assert_eq!(json_of(&api, "/health").await, json!({"status": "ok"}));

    let without = api.get("/ready").send().await.unwrap();
    assert_eq!(without.status(), StatusCode::SERVICE_UNAVAILABLE);
    let without = problem(without).await;
    assert_eq!(
        without["errors"],
        json!([{"field": "workers", "message": "no worker is running"}])
    );

    api.announce(&[("python", Some("the image is missing"))]).await;
    let broken = api.get("/ready").send().await.unwrap();
    assert_eq!(broken.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(
        problem(broken).await["detail"]
            .as_str()
            .unwrap()
            .contains("python: the image is missing")
    );

    api.announce(&[("python", Some("the image is missing")), ("c", None)])
        .await;
    assert_eq!(json_of(&api, "/ready").await, json!({"status": "ok"}));
}

#[tokio::test]
async fn a_job_that_nobody_would_take_is_refused_where_the_settings_say_so() {
    let api = Api::start_with(|settings| settings.api.refuse_unserved = true).await;
    let answer = api.post("/jobs").json(&submission()).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.headers().contains_key("retry-after"));
    let problem = problem(answer).await;
    assert_eq!(
        problem["detail"],
        "no worker takes jobs of python at the moment: no worker is running for it"
    );
    let queues = api.store.depths(&["python".parse().unwrap()]).await.unwrap();
    assert_eq!(queues[0].waiting(), 0, "nothing was stored");
}

#[tokio::test]
async fn languages_tell_whether_and_how_they_can_be_used() {
    let api = Api::start().await;
    api.announce(&[("python", None), ("java", Some("the image is missing"))])
        .await;
    let languages = json_of(&api, "/languages").await;

    let python = entry(&languages["languages"], "name", "python");
    assert_eq!(python["available"], true);
    assert_eq!(python["reason"], Value::Null);
    assert_eq!(python["toolchain"], "python 1.2.3");
    assert_eq!(python["file_extension"], ".py");
    assert!(python["version"].is_string());
    let limits = &python["limits"];
    assert_eq!(
        (&limits["timeout_ms"], &limits["compile_timeout_ms"]),
        (&5000.into(), &30000.into())
    );
    assert_eq!(limits["max"]["timeout_ms"], 60000);
    assert!(limits["memory_limit_mb"].as_u64().unwrap() > 0);

    let java = entry(&languages["languages"], "name", "java");
    assert_eq!(
        (&java["available"], &java["reason"]),
        (&false.into(), &"the image is missing".into())
    );
    let rust = entry(&languages["languages"], "name", "rust");
    assert_eq!(
        (&rust["available"], &rust["reason"]),
        (&false.into(), &"no worker is running for it".into())
    );
}

#[tokio::test]
async fn queues_tell_what_waits_and_runs() {
    let api = Api::start().await;
    api.announce(&[("python", None)]).await;
    for priority in ["interactive", "normal", "batch", "batch"] {
        api.accepted(&submission_with("priority", priority.into())).await;
    }
    let claim = api.claim("python").await;
    let queues = json_of(&api, "/queues").await;
    let python = entry(&queues["queues"], "language", "python");
    assert_eq!(
        python,
        &json!({
            "language": "python", "waiting": 3, "interactive": 0, "normal": 1, "batch": 2, "delayed": 0,
            "running": 1, "dead": 0, "workers": 1, "slots": 2, "busy": 1
        })
    );
    let c = entry(&queues["queues"], "language", "c");
    assert_eq!((&c["waiting"], &c["workers"]), (&0.into(), &0.into()));

    api.store.retry(&claim.lease, "the engine broke").await.unwrap();
    let queues = json_of(&api, "/queues").await;
    let python = entry(&queues["queues"], "language", "python");
    assert_eq!((&python["waiting"], &python["delayed"]), (&4.into(), &1.into()));
}

/// Reads the samples of the text format, and fails on any line that is none of it.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let mut samples = BTreeMap::new();
    let (body, end) = text.rsplit_once("# EOF\n").expect("an end mark");
    assert_eq!(end, "");
    for line in body.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let keyword = comment.split(' ').next().unwrap();
            assert!(["HELP", "TYPE", "UNIT"].contains(&keyword), "{line}");
            continue;
        }
        let (series, value) = line.rsplit_once(' ').expect("a series and its value");
        let name = series.split('{').next().unwrap();
        assert!(
            name.starts_with("optimus_") && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'),
            "{line}"
        );
        let value = value.parse().unwrap_or_else(|_| panic!("{line}"));
        assert!(
            samples.insert(series.to_owned(), value).is_none(),
            "twice: {line}"
        );
    }
    samples
}

#[tokio::test]
async fn metrics_count_requests_jobs_and_workers() {
    let api = Api::start().await;
    api.announce(&[("python", None)]).await;
    let id = api.accepted(&submission()).await;
    api.accepted(&submission()).await;
    api.finish(&api.claim("python").await).await;
    api.record(id).await;
    api.get("/no/such/route").send().await.unwrap();
    api.request("BREW".parse().unwrap(), "/jobs")
        .send()
        .await
        .unwrap();

    let answer = api.get("/metrics").send().await.unwrap();
    assert!(
        answer.headers()["content-type"]
            .to_str()
            .unwrap()
            .starts_with("application/openmetrics-text")
    );
    let samples = samples(&answer.text().await.unwrap());
    let value = |series: &str| {
        *samples
            .get(series)
            .unwrap_or_else(|| panic!("{series} in {samples:#?}"))
    };

    for (series, expected) in [
        ("optimus_store_up", 1.0),
        (r#"optimus_jobs_submitted_total{language="python"}"#, 2.0),
        (
            r#"optimus_jobs_finished_total{language="python",verdict="accepted"}"#,
            1.0,
        ),
        (
            r#"optimus_queue_waiting_jobs{language="python",priority="normal"}"#,
            1.0,
        ),
        (r#"optimus_queue_running_jobs{language="python"}"#, 0.0),
        (r#"optimus_workers{language="python"}"#, 1.0),
        (r#"optimus_worker_slots{language="python"}"#, 2.0),
        (r#"optimus_worker_busy_slots{language="python"}"#, 1.0),
        (r#"optimus_workers{language="c"}"#, 0.0),
        (
            r#"optimus_http_requests_total{method="POST",route="/jobs",status="202"}"#,
            2.0,
        ),
        (
            r#"optimus_http_requests_total{method="GET",route="/jobs/{id}",status="200"}"#,
            1.0,
        ),
        (
            r#"optimus_http_requests_total{method="GET",route="unmatched",status="404"}"#,
            1.0,
        ),
        (
            r#"optimus_http_requests_total{method="other",route="/jobs",status="405"}"#,
            1.0,
        ),
        (
            r#"optimus_http_request_duration_seconds_count{method="POST",route="/jobs",status="202"}"#,
            2.0,
        ),
    ] {
        assert!(
            (value(series) - expected).abs() < 1e-9,
            "{series} is {}",
            value(series)
        );
    }
    assert!(value("optimus_store_submissions_bytes") > 0.0);
    assert!(value("optimus_store_results_bytes") > 0.0);
}

#[tokio::test]
async fn a_job_that_no_worker_takes_says_so_at_once() {
    let warned = async |api: &Api| {
        let answer = api.submit(&submission()).await;
        assert_eq!(
            answer.status(),
            StatusCode::ACCEPTED,
            "it is accepted all the same"
        );
        answer.json::<Value>().await.unwrap()["warning"].clone()
    };
    let api = Api::start().await;
    let warning = warned(&api).await;
    let warning = warning.as_str().unwrap();
    assert!(
        warning.contains("python") && warning.contains("no worker is running"),
        "{warning}"
    );

    let api = Api::start().await;
    api.announce(&[("python", Some("its image is missing")), ("c", None)])
        .await;
    let warning = warned(&api).await;
    assert!(
        warning.as_str().unwrap().contains("its image is missing"),
        "{warning}"
    );

    let api = Api::start().await;
    api.announce(&[("python", None)]).await;
    assert_eq!(warned(&api).await, Value::Null);
}
