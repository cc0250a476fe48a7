//! Faults of all kinds at random moments, under load.

use std::time::Duration;

use optimus_testkit::boxes::Kind;
use rustix::process::Signal;
use tokio::time::sleep;

use crate::{
    fleet::Options,
    jobs::Mix,
    load::Load,
    proxy::Proxy,
    scene::Scene,
    seed::{Seed, number_from},
};

/// Clients, each with a job under way.
const CLIENTS: u64 = 6;
const WORKERS: usize = 2;

/// What may happen. A worker or a path is chosen by the same seed.
#[derive(Debug, Clone, Copy)]
enum Fault {
    KillWorker,
    KillApi,
    KillRedis,
    KillBoxes,
    /// For longer than its leases last.
    FreezeWorker,
    CutAPath,
    CutInAnswers,
    SwallowAPath,
    DelayEverything,
    KillClients,
}

const FAULTS: [Fault; 10] = [
    Fault::KillWorker,
    Fault::KillApi,
    Fault::KillRedis,
    Fault::KillBoxes,
    Fault::FreezeWorker,
    Fault::CutAPath,
    Fault::CutInAnswers,
    Fault::SwallowAPath,
    Fault::DelayEverything,
    Fault::KillClients,
];

pub(crate) async fn native() {
    for round in 0..number_from("OPTIMUS_CHAOS_ROUNDS", 2) {
        let options = Options {
            languages: "python,c",
            workers: WORKERS,
            ..Options::of(Kind::Native)
        };
        run("random/native", round, options, Mix::Mixed).await;
    }
}

pub(crate) async fn containers() {
    let options = Options {
        workers: WORKERS,
        ..Options::of(Kind::Container)
    };
    run("random/docker", 0, options, Mix::Python).await;
}

async fn run(name: &str, round: u64, options: Options, mix: Mix) {
    let mut scene = Scene::start(options).await;
    let mut seed = Seed::of_round(round);
    let load = Load::start(&scene.fleet.client, mix, CLIENTS, u64::MAX);
    // Each kind once, in an order of the seed's.
    let mut faults = FAULTS;
    seed.random.shuffle(&mut faults);
    for fault in faults {
        sleep(Duration::from_millis(seed.random.u64(50..800))).await;
        apply(fault, &mut scene, &mut seed).await;
        scene.fleet.revive().await;
        scene.faults += 1;
    }
    scene.fleet.until_available().await;
    scene.tally = load.finish().await;
    scene.conclude(&format!("{name}/{round}"), seed.number).await;
}

async fn apply(fault: Fault, scene: &mut Scene, seed: &mut Seed) {
    let worker = seed.random.usize(..scene.fleet.workers.len());
    let path = seed.random.usize(..=scene.fleet.workers.len());
    let pause = Duration::from_millis(seed.random.u64(300..1500));
    match fault {
        Fault::KillWorker => drop(scene.fleet.replace_worker(worker).await),
        Fault::KillApi => drop(scene.fleet.replace_api().await),
        Fault::KillRedis => {
            scene.redis.kill().await;
            sleep(pause / 4).await;
            scene.redis.start_again().await;
        }
        Fault::KillBoxes => scene.fleet.kill_boxes(),
        Fault::FreezeWorker => {
            let process = &scene.fleet.workers[worker].process;
            process.signal(Signal::STOP);
            sleep(Duration::from_secs(3)).await;
            process.signal(Signal::CONT);
        }
        Fault::CutAPath => scene.fleet.paths().nth(path).unwrap().cut(),
        Fault::CutInAnswers => scene.fleet.paths().for_each(Proxy::cut_in_answers),
        Fault::SwallowAPath => {
            let path = scene.fleet.paths().nth(path).unwrap();
            path.swallow();
            sleep(pause * 2).await;
            path.recover();
        }
        Fault::DelayEverything => {
            scene
                .fleet
                .paths()
                .for_each(|path| path.delay(Duration::from_millis(40)));
            sleep(pause).await;
            scene.fleet.paths().for_each(Proxy::recover);
        }
        Fault::KillClients => {
            for kind in ["normal", "pubsub"] {
                scene
                    .redis
                    .ask(&["CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes"]);
            }
        }
    }
}
