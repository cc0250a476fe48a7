//! `serve` dies at the steps of a job, and at random under load.

use std::time::Duration;

use optimus_testkit::{client::Method, until};
use tokio::time::sleep;

use crate::{
    fleet::hasty,
    jobs::Mix,
    load::{Load, Tally},
    report::Round,
    seed::{Seed, number_from},
    served::Served,
    steps::{compiled, napping, quick},
};

/// When the process is killed, as far as it can be seen from outside.
#[derive(Debug, Clone, Copy)]
enum Step {
    Accepted,
    Compiling,
    Running,
    Finished,
}

pub(crate) async fn it_dies_at_every_step() {
    let dir = tempfile::tempdir().unwrap();
    let mut served = Served::start(dir, "python,cpp", hasty()).await;
    let mut tally = Tally::default();
    let steps = [
        (Step::Accepted, quick("step-accepted"), 1),
        (Step::Compiling, compiled("step-compiling"), 2),
        (Step::Running, napping("step-running"), 2),
        (Step::Finished, quick("step-finished"), 1),
    ];
    let faults = steps.len() as u64;
    for (step, job, attempts) in steps {
        served.until_available().await;
        let id = served
            .client
            .submit_surely(&job.submission, &format!("{step:?}"))
            .await;
        reached(step, &served, &id).await;
        served.replace().await;
        let record = tally.follow(&served.client, id, &job).await.unwrap();
        assert!(
            record["attempts"].as_u64().unwrap() >= attempts,
            "{step:?}: {record:#}"
        );
    }
    conclude("sqlite/steps", 0, faults, served, tally).await;
}

async fn reached(step: Step, served: &Served, id: &str) {
    let status = async |wanted: &str| {
        let path = format!("/jobs/{id}");
        let answer = served.client.ask(Method::GET, &path, None).await;
        answer.is_some_and(|answer| answer.body["status"] == wanted)
    };
    match step {
        Step::Accepted => {}
        Step::Compiling => until("the compiler runs", async || served.has_guest("cc1plus")).await,
        Step::Running => until("the program runs", async || served.has_guest("python3")).await,
        Step::Finished => until("it has ended", async || status("completed").await).await,
    }
}

pub(crate) async fn it_dies_at_random() {
    let kills = 5 * number_from("OPTIMUS_CHAOS_ROUNDS", 2);
    let dir = tempfile::tempdir().unwrap();
    let mut served = Served::start(dir, "python,c", hasty()).await;
    let mut seed = Seed::of_round(0);
    let load = Load::start(&served.client, Mix::Mixed, 6, u64::MAX);
    for _ in 0..kills {
        sleep(Duration::from_millis(seed.random.u64(20..2500))).await;
        served.replace().await;
    }
    served.until_available().await;
    let tally = load.finish().await;
    conclude("sqlite/random", seed.number, kills, served, tally).await;
}

async fn conclude(name: &str, seed: u64, faults: u64, served: Served, mut tally: Tally) {
    tally.look_again(&served.client).await;
    let round = Round {
        name: name.to_owned(),
        seed,
        faults,
        tally,
        finished: served.client.finished().await,
        acknowledged: served.acknowledged(),
        left_over: served.stop().await,
    };
    round.conclude();
}
