//! Parts of the system die in the middle of their work. No accepted job is lost, and none is finished twice.

use std::cell::Cell;

use futures_util::{StreamExt, stream};
use optimus_testkit::{
    boxes::Kind,
    client::{submission, with},
    until,
};
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::{
    ledger::Ledger,
    system::{Options, System},
};

const JOBS: usize = 50;

/// Long enough to be interrupted.
fn nap() -> Value {
    submission(
        "python",
        "import time; time.sleep(0.2); print(input())",
        &[("a", "a"), ("b", "b")],
    )
}

async fn submit_all(system: &System) -> Ledger {
    let mut ledger = Ledger::default();
    for _ in 0..JOBS {
        ledger.add(system.client.submit(&nap()).await);
    }
    ledger
}

pub(crate) async fn a_worker_dies(boxes: Kind) {
    let mut system = System::start(Options::hasty(boxes)).await;
    let ledger = submit_all(&system).await;
    ledger.until_the_middle(&system).await;
    let dead = system.worker_id(0);
    system.workers[0].kill().await;
    system.workers.clear();
    system.start_worker();
    let records = ledger.assert_all_completed_once(&system).await;
    assert!(
        records.iter().any(|record| record["attempts"] == 2),
        "no job was interrupted"
    );
    system.until_no_box_of(&dead).await;
    system.stop().await;
}

/// A worker that is stopped for longer than its leases last must not finish jobs that others have finished meanwhile.
pub(crate) async fn a_worker_freezes_and_wakes_up_later(boxes: Kind) {
    let mut system = System::start(Options::hasty(boxes)).await;
    let ledger = submit_all(&system).await;
    ledger.until_the_middle(&system).await;
    system.workers[0].signal(Signal::STOP);
    system.start_worker();
    let records = ledger.assert_all_completed_once(&system).await;
    assert!(
        records.iter().any(|record| record["attempts"] == 2),
        "no job was interrupted"
    );
    system.workers[0].signal(Signal::CONT);
    let again = system.client.grade(&nap()).await;
    assert_eq!(again["status"], "completed");
    until("the frozen worker notices what it has lost", async || {
        let log = system.workers[0].log();
        log.contains("no longer ours") || log.contains("refused")
    })
    .await;
    let mut all = ledger;
    all.add(again["job_id"].as_str().unwrap().to_owned());
    all.assert_all_completed_once(&system).await;
    system.stop().await;
}

pub(crate) async fn redis_dies(boxes: Kind) {
    let mut system = System::start(Options::hasty(boxes)).await;
    let ledger = submit_all(&system).await;
    ledger.until_the_middle(&system).await;
    system.redis.kill().await;
    system.redis.start_again().await;
    ledger.assert_all_completed_once(&system).await;
    system.stop().await;
}

pub(crate) async fn the_api_dies(boxes: Kind) {
    let mut system = System::start(Options::hasty(boxes)).await;
    let mut ledger = Ledger::default();
    for _ in 0..10 {
        ledger.add(system.client.submit(&nap()).await);
    }
    let (client, accepted, begun) = (system.client.clone(), Cell::new(0), Notify::new());
    let submissions = stream::iter(0..JOBS).map(async |number| {
        let id = client.submit_surely(&nap(), &format!("job-{number}")).await;
        accepted.set(accepted.get() + 1);
        begun.notify_one();
        id
    });
    let death = async {
        begun.notified().await;
        system.kill_api().await;
        assert!(accepted.get() < JOBS, "the API died too late for this test");
        system.start_api();
    };
    let (ids, ()) = tokio::join!(submissions.buffer_unordered(2).collect::<Vec<_>>(), death);
    for id in ids {
        ledger.add(id);
    }
    ledger.assert_all_completed_once(&system).await;
    system.stop().await;
}

pub(crate) async fn boxes_die(boxes: Kind) {
    let system = System::start(Options::hasty(boxes)).await;
    let ledger = submit_all(&system).await;
    ledger.until_the_middle(&system).await;
    system.kill_boxes();
    let records = ledger.assert_all_completed_once(&system).await;
    assert!(
        records.iter().any(|record| record["attempts"] == 2),
        "no job was interrupted"
    );
    system.stop().await;
}

pub(crate) async fn a_job_whose_boxes_always_die_is_not_blamed(boxes: Kind) {
    let system = System::start(Options::hasty(boxes)).await;
    let endless = with(
        submission("python", "import time; time.sleep(100)", &[("", "")]),
        json!({"timeout_ms": 60_000}),
    );
    let id = system.client.submit(&endless).await;
    for attempt in 1..=3 {
        until("the next attempt runs", async || {
            let record = system.client.record(&id).await;
            // Boxes die one after the other: an attempt that came soon may have been in one of the last.
            let runs = record["status"] == "running" && record["attempts"].as_u64() >= Some(attempt);
            runs || record["status"] == "failed"
        })
        .await;
        system.kill_boxes();
    }
    let record = system.client.until_status(&id, "failed").await;
    assert_eq!(record["attempts"], 3);
    assert!(
        record["error"].as_str().is_some_and(|error| !error.is_empty()),
        "{record}"
    );
    assert_eq!(record["result"]["overall_status"], "internal_error");
    assert_eq!(record["result"]["verdict"], "internal_error");
    assert!(record["result"]["score"].is_null(), "{record}");
    system.stop().await;
}
