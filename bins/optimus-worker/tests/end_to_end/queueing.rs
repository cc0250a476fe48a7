//! Full queues, absent stores, priorities, several workers, and workers that cannot work.

use std::fs;

use optimus_testkit::{
    boxes::Kind,
    client::{Client, StatusCode, assert_verdict, submission, with},
    project::project,
    until,
};
use serde_json::{Value, json};

use crate::{
    ledger::Ledger,
    system::{Options, System},
};

fn hello() -> Value {
    submission("python", "print('hello')", &[("", "hello")])
}

pub(crate) async fn a_full_queue_answers_429_and_a_stopped_redis_503(boxes: Kind) {
    let options = Options {
        workers: 0,
        ..Options::hasty(boxes)
    }
    .set("OPTIMUS__QUEUE__MAX_WAITING_JOBS", "3");
    let mut system = System::start(options).await;
    let mut ledger = Ledger::default();
    for _ in 0..3 {
        ledger.add(system.client.submit(&hello()).await);
    }
    let refused = system.client.post(&hello()).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "{}", refused.body);
    assert!(refused.retry_after.is_some());

    system.redis.stop().await;
    let refused = system.client.post(&hello()).await;
    assert_eq!(
        refused.status,
        StatusCode::SERVICE_UNAVAILABLE,
        "{}",
        refused.body
    );
    assert_eq!(
        system.client.get("/ready").await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert_eq!(system.client.get("/health").await.status, StatusCode::OK);

    system.redis.start_again().await;
    system.start_worker();
    ledger.assert_all_completed_once(&system).await;
    let accepted = system.client.submit_surely(&hello(), "there-is-room-again").await;
    assert_verdict(
        &system.client.done(&accepted).await,
        "accepted",
        "after the queue was full",
    );
    system.stop().await;
}

pub(crate) async fn urgent_jobs_go_first(boxes: Kind) {
    let mut system = System::start(Options {
        workers: 0,
        concurrency: 1,
        ..Options::hasty(boxes)
    })
    .await;
    let mut jobs = Vec::new();
    for priority in ["batch", "normal", "interactive"] {
        jobs.push(
            system
                .client
                .submit(&with(hello(), json!({"priority": priority})))
                .await,
        );
    }
    system.start_worker();
    let mut started = Vec::new();
    for id in &jobs {
        let record = system.client.done(id).await;
        started.push(
            record["started_at"]
                .as_str()
                .unwrap()
                .parse::<jiff::Timestamp>()
                .unwrap(),
        );
    }
    assert!(started[2] < started[1] && started[1] < started[0], "{started:?}");
    system.stop().await;
}

pub(crate) async fn two_workers_share_a_queue(boxes: Kind) {
    let system = System::start(Options {
        workers: 2,
        concurrency: 1,
        ..Options::hasty(boxes)
    })
    .await;
    let nap = submission("python", "import time; time.sleep(0.3); print(1)", &[("", "1")]);
    let mut ledger = Ledger::default();
    for _ in 0..12 {
        ledger.add(system.client.submit(&nap).await);
    }
    ledger.assert_all_completed_once(&system).await;
    for worker in &system.workers {
        assert!(
            worker.log().contains("job finished"),
            "one worker did nothing:\n{}",
            worker.log_end()
        );
    }
    system.stop().await;
}

pub(crate) async fn an_idle_system_is_small(boxes: Kind) {
    // The goal of 25 MB resident (docs/benchmarks.md) holds a release's program too, 10 MB of it.
    const MOST: u64 = 12 << 20;
    let system = System::start(Options::hasty(boxes)).await;
    assert_verdict(&system.client.grade(&hello()).await, "accepted", "hello");
    for process in [&system.workers[0], system.api()] {
        let memory = process.own_memory();
        println!("{}: {} KiB", process.name(), memory >> 10);
        assert!(memory < MOST, "{}: {memory} bytes", process.name());
    }
    system.stop().await;
}

pub(crate) async fn a_language_without_a_toolchain_is_no_fault_of_the_program(boxes: Kind) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("languages.json");
    let text = fs::read_to_string(project().join("config/languages.json")).unwrap();
    let mut languages: Value = serde_json::from_str(&text).unwrap();
    languages["languages"]
        .as_array_mut()
        .unwrap()
        .retain(|language| language["name"] == "python");
    let mut broken = languages["languages"][0].clone();
    broken["name"] = json!("broken");
    broken["queue_name"] = json!("optimus:queue:broken");
    match boxes {
        // An image without the agent.
        Kind::Container => broken["image"] = json!("optimus/debian-base:bookworm"),
        Kind::Native => broken["execution"]["command"] = json!("no-such-interpreter"),
    }
    languages["languages"].as_array_mut().unwrap().push(broken);
    fs::write(&file, languages.to_string()).unwrap();

    let options = Options {
        workers: 0,
        languages: "python,broken",
        ..Options::hasty(boxes)
    };
    let mut system = System::start(options.set("OPTIMUS__LANGUAGES_FILE", file.to_str().unwrap())).await;
    system.start_worker();
    assert_verdict(
        &system.client.grade(&hello()).await,
        "accepted",
        "beside a broken language",
    );
    let waiting = system
        .client
        .submit(&with(hello(), json!({"language": "broken"})))
        .await;
    let reason = reason(&system.client, "broken").await;
    assert!(!reason.is_empty());
    let record = system.client.record(&waiting).await;
    assert_eq!(
        (&record["status"], &record["attempts"]),
        (&json!("queued"), &json!(0)),
        "{record}"
    );
    assert_eq!(system.client.cancel(&waiting).await.status, StatusCode::OK);
    system.stop().await;
}

/// Why a language is not available, once it is said.
async fn reason(client: &Client, language: &str) -> String {
    let mut reason = String::new();
    until("a reason is given", async || {
        let shown = client.language(language).await.unwrap();
        shown["reason"]
            .as_str()
            .unwrap_or_default()
            .clone_into(&mut reason);
        shown["available"] == false && (reason.contains("box") || reason.contains("no-such-interpreter"))
    })
    .await;
    reason
}
