//! A fleet is brought from one release to the next while jobs are under way: API and workers of both run side by side.

use std::{collections::HashSet, time::Duration};

use optimus_testkit::{boxes::Kind, client::Client};
use rustix::process::Signal;
use tokio::time::sleep;

use crate::{
    fleet::Options,
    jobs::{Job, Mix},
    load::Load,
    previous::{Part, Previous},
    proxy::{Point, Proxy},
    scene::Scene,
    seed::Seed,
    steps::{napping, quick},
};

/// Clients of each API, each with a job under way.
const CLIENTS: u64 = 3;
const WORKERS: usize = 2;

/// The first number of the jobs that are submitted to the release before.
const PREVIOUS_JOBS: u64 = 1_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Release {
    This,
    Previous,
}

/// A scene with API and workers of both releases.
struct Both {
    scene: Scene,
    previous: Previous,
}

impl Release {
    fn other(self) -> Self {
        match self {
            Self::This => Self::Previous,
            Self::Previous => Self::This,
        }
    }
}

impl Both {
    /// With workers of this release alone.
    async fn start() -> Self {
        let options = Options {
            concurrency: 1,
            ..Options::of(Kind::Native)
        };
        let mut scene = Scene::start(options).await;
        let previous = Previous::start(&mut scene).await;
        Self { scene, previous }
    }

    fn client(&self, release: Release) -> Client {
        match release {
            Release::This => self.scene.fleet.client.clone(),
            Release::Previous => self.previous.client.clone(),
        }
    }

    async fn submit(&self, release: Release, job: &Job, key: &str) -> String {
        self.client(release).submit_surely(&job.submission, key).await
    }

    async fn add_worker(&mut self, release: Release) {
        match release {
            Release::This => self.scene.fleet.add_worker().await,
            Release::Previous => self.previous.add_worker(&mut self.scene).await,
        }
    }

    fn path(&self, release: Release) -> &Proxy {
        match release {
            Release::This => self.scene.fleet.workers[0].path(),
            Release::Previous => self.previous.workers[0].path(),
        }
    }

    /// It is still there, for its path.
    async fn kill_worker(&mut self, release: Release) -> Part {
        self.scene.faults += 1;
        match release {
            Release::This => Part::Process(self.scene.fleet.take_worker(0).await),
            Release::Previous => self.previous.take_worker(0).await,
        }
    }

    /// The only worker of a release leaves in peace.
    async fn remove_worker(&mut self, release: Release) {
        match release {
            Release::This => self.scene.fleet.remove_worker(0).await,
            Release::Previous => self.previous.workers_leave().await,
        }
    }

    /// All of the release before leave in peace, and what is left is looked at.
    async fn conclude(mut self, name: &str, seed: u64) {
        self.previous.workers_leave().await;
        self.previous.api.api_leaves().await;
        let mut round = self.scene.end(name, seed).await;
        for id in self.previous.finished() {
            *round.acknowledged.entry(id).or_default() += 1;
        }
        round.conclude();
    }
}

/// At each step of a job its worker dies, and one of the other release goes on; then the same the other way round.
pub(crate) async fn each_release_takes_over_from_the_other() {
    let mut both = Both::start().await;
    // From here on Redis knows all scripts, so that each command is carried out when it first arrives.
    let first = quick("upgrade-first");
    let id = both.submit(Release::This, &first, "upgrade-first").await;
    both.scene.ends_after(id, &first, 1..=1).await;
    for dying in [Release::This, Release::Previous] {
        let (going_on, word) = match dying {
            Release::This => (Release::Previous, "this"),
            Release::Previous => (Release::This, "previous"),
        };
        for (point, step, attempts) in [
            (Point::Answer, "claimed", 2..=100),
            (Point::Command, "finishing", 2..=100),
            (Point::AnswerTo, "finished", 1..=1),
        ] {
            // Whoever works now is of the one that is to die.
            let marker = format!("upgrade-{word}-{step}");
            let job = quick(&marker);
            let hold = both.path(dying).hold(point, &marker);
            let id = both.submit(going_on, &job, &marker).await;
            hold.reached().await;
            // A client that asks the other release again is told of the same job.
            assert_eq!(both.submit(dying, &job, &marker).await, id);
            let dead = both.kill_worker(dying).await;
            both.add_worker(going_on).await;
            both.scene.ends_after(id.clone(), &job, attempts).await;
            if point == Point::Command {
                // A result, after another one was accepted.
                let before = both.scene.fleet.client.record(&id).await;
                hold.release().await;
                both.scene.redis.ask(&["PING"]);
                assert_eq!(both.scene.fleet.client.record(&id).await, before);
            }
            drop(dead);

            // Cancelled by the one, while it runs on a worker of the other.
            let marker = format!("{marker}-cancelled");
            let job = napping(&marker).cancelled();
            let id = both.submit(dying, &job, &marker).await;
            both.client(dying).until_status(&id, "running").await;
            assert!(both.client(dying).cancel(&id).await.status.is_success());
            both.scene.ends_after(id, &job, 1..=1).await;

            both.remove_worker(going_on).await;
            both.add_worker(dying).await;
        }
        both.remove_worker(dying).await;
        both.add_worker(dying.other()).await;
    }
    both.conclude("upgrade/steps", 0).await;
}

/// What may happen while both releases are there.
#[derive(Debug, Clone, Copy)]
enum Fault {
    KillWorker(Release),
    KillApi(Release),
    /// For longer than its leases last.
    FreezeWorker,
    CutAPath(Release),
    SwallowAPath(Release),
    KillRedis,
}

const FAULTS: [Fault; 10] = [
    Fault::KillWorker(Release::This),
    Fault::KillWorker(Release::Previous),
    Fault::KillApi(Release::This),
    Fault::KillApi(Release::Previous),
    Fault::FreezeWorker,
    Fault::CutAPath(Release::This),
    Fault::CutAPath(Release::Previous),
    Fault::SwallowAPath(Release::This),
    Fault::SwallowAPath(Release::Previous),
    Fault::KillRedis,
];

/// In the order that `docs/queue.md` tells: workers first, then the API. Faults of all kinds come while both are there.
pub(crate) async fn a_fleet_is_upgraded_under_load() {
    let mut both = Both::start().await;
    for _ in 0..WORKERS {
        both.add_worker(Release::Previous).await;
    }
    // So far there was nothing to do: jobs begin with the release before.
    both.remove_worker(Release::This).await;
    let mut seed = Seed::of_round(0);
    let before = Load::start_at(
        PREVIOUS_JOBS,
        &both.previous.client,
        Mix::Python,
        CLIENTS,
        u64::MAX,
    );
    ended(&before, 2 * CLIENTS).await;
    for _ in 0..WORKERS {
        both.add_worker(Release::This).await;
    }
    let after = Load::start(&both.scene.fleet.client, Mix::Python, CLIENTS, u64::MAX);
    let mut faults = FAULTS;
    seed.random.shuffle(&mut faults);
    for fault in faults {
        sleep(Duration::from_millis(seed.random.u64(200..800))).await;
        both.apply(fault, &mut seed).await;
        both.scene.fleet.revive().await;
        both.previous.revive(&mut both.scene).await;
        both.scene.faults += 1;
    }
    both.scene.fleet.until_available().await;
    both.previous.workers_leave().await;
    // Jobs of the release before go on to be submitted while only this one works, as long as its API is there.
    let so_far = before.ended();
    ended(&before, so_far + 2 * CLIENTS).await;
    let [mut old, new] = [before.finish().await, after.finish().await];
    old.look_again(&both.previous.client).await;
    both.count(&old.ids(), &new.ids());
    old.add(new);
    both.scene.tally = old;
    both.conclude("upgrade/load", seed.number).await;
}

async fn ended(load: &Load, at_least: u64) {
    optimus_testkit::until("jobs end", async || load.ended() >= at_least).await;
}

impl Both {
    async fn apply(&mut self, fault: Fault, seed: &mut Seed) {
        let worker = seed.random.usize(..WORKERS);
        match fault {
            Fault::KillWorker(Release::This) => drop(self.scene.fleet.replace_worker(worker).await),
            Fault::KillWorker(Release::Previous) => {
                drop(self.previous.take_worker(worker).await);
                self.previous.add_worker(&mut self.scene).await;
            }
            Fault::KillApi(Release::This) => drop(self.scene.fleet.replace_api().await),
            Fault::KillApi(Release::Previous) => drop(self.previous.replace_api(&mut self.scene).await),
            Fault::FreezeWorker => {
                let process = &self.scene.fleet.workers[worker].process;
                process.signal(Signal::STOP);
                sleep(Duration::from_secs(3)).await;
                process.signal(Signal::CONT);
            }
            Fault::CutAPath(release) => self.worker_path(release, worker).cut(),
            Fault::SwallowAPath(release) => {
                let path = self.worker_path(release, worker);
                path.swallow();
                sleep(Duration::from_secs(2)).await;
                path.recover();
            }
            Fault::KillRedis => {
                self.scene.redis.kill().await;
                self.scene.redis.start_again().await;
            }
        }
    }

    fn worker_path(&self, release: Release, index: usize) -> &Proxy {
        match release {
            Release::This => self.scene.fleet.workers[index].path(),
            Release::Previous => self.previous.workers[index].path(),
        }
    }

    /// Says whose jobs were finished by whom. A round in which one release did nothing for the other has shown nothing.
    fn count(&self, old: &HashSet<String>, new: &HashSet<String>) {
        let mut by_previous = self.scene.fleet.acknowledged_by_previous();
        by_previous.extend(self.previous.finished());
        let by_this: HashSet<_> = self.scene.fleet.acknowledged().into_keys().collect();
        let by_this = &by_this - &by_previous;
        let counts = [
            old.intersection(&by_previous).count(),
            old.intersection(&by_this).count(),
            new.intersection(&by_previous).count(),
            new.intersection(&by_this).count(),
        ];
        println!(
            "upgrade: jobs submitted to the release before: {} finished by it, {} by this one; submitted to this one: {} by the \
             one before, {} by itself",
            counts[0], counts[1], counts[2], counts[3]
        );
        assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
    }
}
