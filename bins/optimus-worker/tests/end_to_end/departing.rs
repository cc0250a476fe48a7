//! Workers that are asked to leave.

use optimus_testkit::{
    boxes::Kind,
    client::{assert_verdict, submission, with},
};
use serde_json::json;

use crate::{
    ledger::Ledger,
    system::{Options, System},
};

pub(crate) async fn running_jobs_are_finished_and_waiting_ones_stay(boxes: Kind) {
    let mut system = System::start(Options {
        concurrency: 1,
        ..Options::hasty(boxes)
    })
    .await;
    let nap = submission("python", "import time; time.sleep(2); print(1)", &[("", "1")]);
    let running = system.client.submit(&nap).await;
    system.client.until_status(&running, "running").await;
    let waiting = system.client.submit(&nap).await;

    let status = system.workers[0].terminate().await;
    assert!(status.success(), "{status}");
    let record = system.client.record(&running).await;
    assert_verdict(&record, "accepted", "running at the signal");
    assert_eq!(record["attempts"], 1);
    assert_eq!(system.client.record(&waiting).await["status"], "queued");
    system.until_no_box().await;

    system.workers.clear();
    system.start_worker();
    let mut ledger = Ledger::default();
    ledger.add(running);
    ledger.add(waiting);
    ledger.assert_all_completed_once(&system).await;
    system.stop().await;
}

pub(crate) async fn a_job_without_end_is_given_back_to_the_next_worker(boxes: Kind) {
    let mut system = System::start(Options::hasty(boxes).set("OPTIMUS__WORKER__DRAIN_MS", "500")).await;
    let source = "import time; time.sleep(5); print(1)";
    let slow = with(
        submission("python", source, &[("", "1")]),
        json!({"timeout_ms": 10_000}),
    );
    let id = system.client.submit(&slow).await;
    system.client.until_status(&id, "running").await;
    let status = system.workers[0].terminate().await;
    assert!(status.success(), "{status}");
    let record = system.client.record(&id).await;
    assert_eq!(
        (&record["status"], &record["attempts"]),
        (&json!("queued"), &json!(0)),
        "{record}"
    );
    system.until_no_box().await;

    system.workers.clear();
    system.start_worker();
    let record = system.client.done(&id).await;
    assert_verdict(&record, "accepted", "given back");
    assert_eq!(record["attempts"], 1, "a departure is no failed attempt");
    system.stop().await;
}
