//! A disk without room under SQLite: a small file system in memory, which mounting needs root for.

use std::fs;

use optimus_testkit::{client::StatusCode, small_disk::SmallDisk};
use rustix::process::Signal;

use crate::{
    fleet::hasty,
    load::Tally,
    report::Round,
    served::Served,
    steps::{napping, quick},
};

pub(crate) async fn accepted_jobs_go_on_when_there_is_room_again() {
    let dir = tempfile::tempdir().unwrap();
    let disk = SmallDisk::mount(&dir.path().join("data"), 64);
    let mut served = Served::start(dir, "python", hasty()).await;
    let mut tally = Tally::default();
    let mut accepted = Vec::new();
    for number in 0..6 {
        let job = napping(&format!("nap-{number}"));
        accepted.push((served.client.submit(&job.submission).await, job));
    }
    served.client.until_status(&accepted[0].0, "running").await;

    // Full while jobs run and wait, and through a death in the middle of it.
    for ending in [Signal::CONT, Signal::KILL] {
        let filler = disk.fill();
        let refused = served.client.post(&quick("refused").submission).await;
        assert_eq!(
            refused.status,
            StatusCode::SERVICE_UNAVAILABLE,
            "{}",
            refused.body
        );
        assert_eq!(refused.body["type"], "urn:optimus:problem:store-unavailable");
        assert!(refused.retry_after.is_some(), "{}", refused.body);
        // What is accepted can be read all the while.
        for (id, _) in &accepted {
            served.client.record(id).await;
        }
        if ending == Signal::KILL {
            served.process.kill().await;
            fs::remove_file(filler).unwrap();
            served.start_again();
            served.until_available().await;
        } else {
            fs::remove_file(filler).unwrap();
        }
        let job = quick("after");
        let id = served
            .client
            .submit_surely(&job.submission, &format!("after-{ending:?}"))
            .await;
        accepted.push((id, job));
    }

    for (id, job) in accepted {
        tally.follow(&served.client, id, &job).await;
    }
    tally.look_again(&served.client).await;
    let (finished, acknowledged) = (served.client.finished().await, served.acknowledged());
    let mut left_over = served.leave().await;
    drop(disk);
    left_over.extend(served.left_over().await);
    let round = Round {
        name: "sqlite/full disk".to_owned(),
        seed: 0,
        faults: 3,
        tally,
        finished,
        acknowledged,
        left_over,
    };
    round.conclude();
}
