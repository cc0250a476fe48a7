//! Cancelling jobs.

use optimus_testkit::{
    boxes::Kind,
    client::{StatusCode, assert_verdict, submission, with},
    until,
};
use serde_json::json;

use crate::system::{Options, System};

pub(crate) async fn a_running_job(system: &System) {
    // Left alone, it would go on for longer than anything is waited for here.
    let endless = with(
        submission("python", "import time; time.sleep(1000)", &[("", "")]),
        json!({"wall_timeout_ms": 180_000}),
    );
    let id = system.client.submit(&endless).await;
    system.client.until_status(&id, "running").await;
    assert_eq!(system.client.cancel(&id).await.status, StatusCode::ACCEPTED);
    let record = system.client.until_status(&id, "cancelled").await;
    assert_eq!(record["result"]["overall_status"], "cancelled");
    assert!(record["result"]["score"].is_null(), "{record}");
    assert_eq!(system.client.cancel(&id).await.status, StatusCode::CONFLICT);
    let next = system
        .client
        .grade(&submission("python", "print(1)", &[("", "1")]))
        .await;
    assert_verdict(&next, "accepted", "the job after a cancelled one");
}

pub(crate) async fn a_queued_job(boxes: Kind) {
    let mut system = System::start(Options {
        workers: 0,
        ..Options::hasty(boxes)
    })
    .await;
    let body = submission("python", "print(1)", &[("", "1")]);
    let cancelled = system.client.submit(&body).await;
    let kept = system.client.submit(&body).await;
    assert_eq!(system.client.cancel(&cancelled).await.status, StatusCode::OK);
    assert_eq!(system.client.record(&cancelled).await["status"], "cancelled");

    system.start_worker();
    assert_verdict(&system.client.done(&kept).await, "accepted", "the other job");
    let record = system.client.record(&cancelled).await;
    assert_eq!(record["status"], "cancelled");
    assert_eq!(record["attempts"], 0, "no worker ever had it");
    until("the queue is empty", async || {
        system.redis.ask(&["LLEN", "optimus:queue:python"]) == ["0"]
    })
    .await;
    system.stop().await;
}
