//! A kill at every boundary between two steps of a job. Where the boundary is a command to the store or its answer, the
//! proxy holds exactly that one; where it is a step in the box, the box is watched.

use optimus_testkit::{boxes::Kind, client::Client, until};

use crate::{
    fleet::{Fleet, MARK_OF_A_CLAIM, Options},
    jobs::Job,
    proxy::Point,
    scene::Scene,
};

/// Seconds of work for the compiler.
const LONG_COMPILE: &str = "#include <regex>\n#include <iostream>\nint main() { std::cout << \"MARKER\\n\" << \
                            std::regex_replace(\"\", std::regex(\"a+\"), \"\"); }";

pub(crate) fn compiled(marker: &str) -> Job {
    Job::marked("cpp", &LONG_COMPILE.replace("MARKER", marker), marker)
}

pub(crate) fn napping(marker: &str) -> Job {
    Job::marked(
        "python",
        &format!("import time\ntime.sleep(1.5)\nprint('{marker}')"),
        marker,
    )
}

pub(crate) fn quick(marker: &str) -> Job {
    Job::marked("python", &format!("print('{marker}')"), marker)
}

/// Kills the worker and starts another one.
async fn lose_the_worker(scene: &mut Scene) {
    scene.faults += 1;
    scene.fleet.replace_worker(0).await;
}

pub(crate) async fn a_worker_dies_at_every_step() {
    let mut scene = Scene::start(Options {
        languages: "python,cpp",
        concurrency: 1,
        ..Options::of(Kind::Native)
    })
    .await;

    // Claimed: leased in the store, and the worker does not know.
    let job = quick("step-claimed");
    let hold = scene.fleet.workers[0].path().hold(Point::Answer, "step-claimed");
    let id = scene.submit(&job).await;
    hold.reached().await;
    lose_the_worker(&mut scene).await;
    scene.ends_after(id, &job, 2..).await;

    // Compiling.
    let job = compiled("step-compiling");
    let id = scene.submit(&job).await;
    until("the compiler runs", async || scene.fleet.has_guest("cc1plus")).await;
    lose_the_worker(&mut scene).await;
    scene.ends_after(id, &job, 2..).await;

    // Running a test.
    let job = napping("step-running");
    let id = scene.submit(&job).await;
    until("the program runs", async || scene.fleet.has_guest("python3")).await;
    lose_the_worker(&mut scene).await;
    scene.ends_after(id, &job, 2..).await;

    // Finishing: graded, and the store does not know.
    let job = quick("step-finishing");
    let hold = scene.fleet.workers[0]
        .path()
        .hold(Point::Command, "step-finishing");
    let id = scene.submit(&job).await;
    hold.reached().await;
    lose_the_worker(&mut scene).await;
    scene.ends_after(id, &job, 2..).await;

    // Finished: the store knows, and the worker does not know that.
    let job = quick("step-finished");
    let hold = scene.fleet.workers[0]
        .path()
        .hold(Point::AnswerTo, "step-finished");
    let id = scene.submit(&job).await;
    hold.reached().await;
    lose_the_worker(&mut scene).await;
    scene.ends_after(id, &job, 1..=1).await;

    scene.conclude("steps/worker", 0).await;
}

/// What a dead worker has sent arrives when others have gone on.
pub(crate) async fn the_last_words_of_the_dead_arrive_late() {
    let mut scene = Scene::start(Options {
        concurrency: 1,
        ..Options::of(Kind::Native)
    })
    .await;

    // A result, after another one was accepted.
    let job = quick("late-finish");
    let hold = scene.fleet.workers[0].path().hold(Point::Command, "late-finish");
    let id = scene.submit(&job).await;
    hold.reached().await;
    scene.faults += 1;
    let dead = scene.fleet.replace_worker(0).await;
    scene.ends_after(id.clone(), &job, 2..).await;
    let before = scene.fleet.client.record(&id).await;
    hold.release().await;
    // Whoever asks now is answered after that.
    scene.redis.ask(&["PING"]);
    assert_eq!(scene.fleet.client.record(&id).await, before);
    drop(dead);

    // A claim: the job is leased to nobody who lives.
    let hold = scene.fleet.workers[0]
        .path()
        .hold(Point::Command, MARK_OF_A_CLAIM);
    hold.reached().await;
    let mut dead = scene.fleet.workers.remove(0);
    dead.process.kill().await;
    scene.faults += 1;
    let job = quick("late-claim");
    let id = scene.submit(&job).await;
    hold.release().await;
    scene.fleet.client.until_status(&id, "running").await;
    scene.fleet.add_worker().await;
    scene.ends_after(id, &job, 2..).await;

    // A submission, after its client has sent it again: the same key, another id.
    let job = quick("late-submission");
    let hold = scene.fleet.api.path().hold(Point::Command, "late-submission");
    let submitting = submit_in_the_background(&scene.fleet, &job, "late-key");
    hold.reached().await;
    scene.faults += 1;
    let old = scene.fleet.replace_api().await;
    let id = submitting.await.unwrap();
    hold.release().await;
    scene.ends_after(id, &job, 1..).await;
    drop((old, dead));

    scene.conclude("steps/late", 0).await;
}

/// As [`Client::submit_surely`], beside everything else.
fn submit_in_the_background(fleet: &Fleet, job: &Job, key: &'static str) -> tokio::task::JoinHandle<String> {
    let (client, submission): (Client, _) = (fleet.client.clone(), job.submission.clone());
    tokio::spawn(async move { client.submit_surely(&submission, key).await })
}

pub(crate) async fn the_api_dies_at_every_step() {
    let mut scene = Scene::start(Options::of(Kind::Native)).await;
    for (point, marker) in [
        // Not in the store yet.
        (Point::Command, "step-submitting"),
        // In the store, and nobody was told.
        (Point::AnswerTo, "step-submitted"),
    ] {
        let job = quick(marker);
        let hold = scene.fleet.api.path().hold(point, marker);
        let submitting = submit_in_the_background(&scene.fleet, &job, marker);
        hold.reached().await;
        scene.faults += 1;
        scene.fleet.replace_api().await;
        let id = submitting.await.unwrap();
        scene.ends_after(id, &job, 1..).await;
    }
    scene.conclude("steps/api", 0).await;
}

pub(crate) async fn redis_dies_at_every_step() {
    let mut scene = Scene::start(Options::of(Kind::Native)).await;
    for (point, marker, attempts) in [
        (Point::Answer, "redis-claimed", 2..=100),
        (Point::Command, "redis-finishing", 1..=100),
        (Point::AnswerTo, "redis-finished", 1..=1),
    ] {
        let job = quick(marker);
        let hold = scene.fleet.workers[0].path().hold(point, marker);
        let id = scene.submit(&job).await;
        hold.reached().await;
        scene.faults += 1;
        scene.redis.kill().await;
        scene.fleet.workers[0].path().cut();
        scene.redis.start_again().await;
        scene.ends_after(id, &job, attempts).await;
    }
    scene.conclude("steps/redis", 0).await;
}
