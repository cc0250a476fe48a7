//! What a worker counts of itself, in its own listener and in the API's answer.

use std::{collections::HashSet, net::TcpListener};

use optimus_testkit::{
    client::{Client, Method, StatusCode},
    until,
};

use crate::{
    client::{assert_verdict, submission},
    process::Machine,
};

/// The value of a series, `None` where there is none.
fn value(figures: &str, series: &str) -> Option<f64> {
    let line = figures.lines().find_map(|line| line.strip_prefix(series))?;
    Some(line.trim().parse().unwrap())
}

#[track_caller]
fn assert_well_formed(figures: &str) {
    let mut named = HashSet::new();
    for line in figures.lines().filter(|line| line.starts_with("# TYPE ")) {
        assert!(named.insert(line), "twice: {line}\n{figures}");
    }
    assert_eq!(figures.matches("# EOF").count(), 1, "{figures}");
    assert!(figures.ends_with("# EOF\n"), "{figures}");
}

pub(crate) async fn a_worker_shows_what_it_counts() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let machine = Machine::new().with("OPTIMUS__WORKER__METRICS_ADDRESS", &free);
    let served = machine.serve(&["--language", "python"]).await;
    let worker = Client::new(free.port());
    let get = async |path: &str| {
        let answer = worker.get(path).await;
        (answer.status, answer.body.as_str().unwrap().to_owned())
    };
    for (output, verdict) in [
        ("hello\n", "accepted"),
        ("bye\n", "wrong_answer"),
        ("hello\n", "accepted"),
    ] {
        let id = served
            .client
            .submit(&submission("python", "print('hello')", output))
            .await;
        assert_verdict(&served.client.done(&id).await, verdict);
    }

    let mut own = String::new();
    until("three jobs are counted", async || {
        own = get("/metrics").await.1;
        value(
            &own,
            r#"optimus_worker_attempts_total{language="python",end="graded"}"#,
        ) == Some(3.0)
            && value(&own, r#"optimus_worker_pool_busy_slots{language="python"}"#) == Some(0.0)
    })
    .await;
    for figures in [
        own,
        served
            .client
            .get("/metrics")
            .await
            .body
            .as_str()
            .unwrap()
            .to_owned(),
    ] {
        assert_well_formed(&figures);
        for (series, expected) in [
            (
                r#"optimus_worker_jobs_total{language="python",verdict="accepted"}"#,
                2.0,
            ),
            (
                r#"optimus_worker_jobs_total{language="python",verdict="wrong_answer"}"#,
                1.0,
            ),
            (
                r#"optimus_worker_run_duration_seconds_count{language="python"}"#,
                3.0,
            ),
            (
                r#"optimus_worker_queue_wait_seconds_count{language="python"}"#,
                3.0,
            ),
            (r#"optimus_worker_box_wait_seconds_count{language="python"}"#, 3.0),
            (r#"optimus_worker_box_failures_total{language="python"}"#, 0.0),
            (r#"optimus_worker_pool_available{language="python"}"#, 1.0),
        ] {
            assert_eq!(value(&figures, series), Some(expected), "{series}\n{figures}");
        }
        for series in [
            r#"optimus_worker_pool_slots{language="python"}"#,
            r#"optimus_worker_run_duration_seconds_sum{language="python"}"#,
            // One for the sample, and one for each job.
            r#"optimus_worker_box_starts_total{language="python"}"#,
        ] {
            assert!(value(&figures, series) > Some(0.0), "{series}\n{figures}");
        }
    }

    assert_eq!(get("/health").await, (StatusCode::OK, "alive\n".to_owned()));
    assert_eq!(get("/ready").await, (StatusCode::OK, "ready\n".to_owned()));
    assert_eq!(get("/jobs").await.0, StatusCode::NOT_FOUND);
    let posted = worker.ask(Method::POST, "/ready", None).await.unwrap();
    assert_eq!(posted.status, StatusCode::METHOD_NOT_ALLOWED);
    served.leave().await;
}

pub(crate) async fn an_address_that_is_taken_is_told() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let machine = Machine::new().with("OPTIMUS__WORKER__METRICS_ADDRESS", &address);
    let ended = machine.serve_in_vain(&["--language", "python"]).await;
    assert!(!ended.status.success());
    let told = String::from_utf8_lossy(&ended.stderr);
    for word in [address.to_string().as_str(), "worker.metrics_address"] {
        assert!(told.contains(word), "{told}");
    }
}
