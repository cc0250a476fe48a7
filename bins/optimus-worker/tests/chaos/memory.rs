//! A Redis that is full under `noeviction`.

use optimus_testkit::{
    boxes::Kind,
    client::{StatusCode, with},
};
use serde_json::json;

use crate::{
    fleet::Options,
    load::Tally,
    scene::Scene,
    steps::{napping, quick},
};

pub(crate) async fn accepted_jobs_end_and_no_more_are_taken() {
    let mut scene = Scene::start(Options::of(Kind::Native)).await;
    let mut accepted = Vec::new();
    for number in 0..8 {
        let job = napping(&format!("nap-{number}"));
        accepted.push((scene.submit(&job).await, job));
    }
    scene.fleet.client.until_status(&accepted[0].0, "running").await;

    // No room for anything from here on.
    scene.redis.ask(&["CONFIG", "SET", "maxmemory", "1mb"]);
    scene.faults += 1;
    let refused = quick("refused");
    for submission in [
        &refused.submission,
        &with(refused.submission.clone(), json!({"priority": "batch"})),
    ] {
        let answer = scene.fleet.client.post(submission).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{}", answer.body);
        assert_eq!(answer.body["type"], "urn:optimus:problem:store-unavailable");
        assert!(answer.retry_after.is_some(), "{}", answer.body);
    }

    // What was accepted is worked off all the same, through a worker that dies and one that is new.
    scene.fleet.replace_worker(0).await;
    scene.faults += 1;
    let mut tally = Tally::default();
    for (id, job) in accepted {
        tally.follow(&scene.fleet.client, id, &job).await;
    }
    scene.tally = tally;
    let answer = scene.fleet.client.post(&refused.submission).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{}", answer.body);

    scene.redis.ask(&["CONFIG", "SET", "maxmemory", "0"]);
    let job = quick("after");
    let id = scene.submit(&job).await;
    scene.ends_after(id, &job, 1..).await;
    scene.conclude("redis/full", 0).await;
}
