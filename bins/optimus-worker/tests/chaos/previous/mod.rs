//! The release before this one, beside which this one runs while a fleet is upgraded: records without a version, an owner or a
//! trace context, and no progress.
//!
//! Its binaries cannot be kept here. So by default a stand-in takes its part: an API and workers that know nothing but the
//! scripts of that release (`lua/`, as it shipped them), its keys and its fields. They grade nothing; a job of this suite says
//! itself what it prints. With `OPTIMUS_CHAOS_PREVIOUS`, the folder of a release's binaries, the same scenarios take those.

mod api;
mod store;
mod worker;

use std::{
    env,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use optimus_testkit::{
    client::{Client, Method},
    redis::free_port,
    until,
};
use rustix::process::Signal;
use tokio::runtime::Runtime;

use crate::{
    fleet::{Member, worker_id},
    proxy::Proxy,
    scene::Scene,
};

/// API and workers of the release before, over the Redis of a scene.
#[derive(Debug)]
pub(crate) struct Previous {
    pub(crate) client: Client,
    pub(crate) api: Part,
    pub(crate) workers: Vec<Part>,
    port: u16,
    binaries: Option<PathBuf>,
    /// Workers started so far.
    started: usize,
    /// Ids of jobs whose finish a stand-in was told is accepted.
    finished: Arc<Mutex<Vec<String>>>,
}

/// One of its processes, or a stand-in, which has a runtime of its own: where that ends, everything in it stops at once,
/// wherever it was, and its connections close, as when a process is killed.
#[derive(Debug)]
pub(crate) enum Part {
    Process(Member),
    StandIn {
        path: Proxy,
        runtime: Option<Runtime>,
        leave: Arc<worker::Leave>,
    },
}

impl Previous {
    /// Returns when its API answers.
    pub(crate) async fn start(scene: &mut Scene) -> Self {
        let binaries = env::var_os("OPTIMUS_CHAOS_PREVIOUS").map(PathBuf::from);
        let port = free_port();
        let api = start_api(scene, binaries.as_ref(), port).await;
        let previous = Self {
            client: Client::new(port),
            api,
            workers: Vec::new(),
            port,
            binaries,
            started: 0,
            finished: Arc::default(),
        };
        previous.until_answering().await;
        previous
    }

    /// Returns when it takes jobs.
    pub(crate) async fn add_worker(&mut self, scene: &mut Scene) {
        let worker = self.start_worker(scene).await;
        self.workers.push(worker);
    }

    /// Kills a worker with `kill -9`. It is still there, for its path.
    pub(crate) async fn take_worker(&mut self, index: usize) -> Part {
        let mut dead = self.workers.remove(index);
        dead.kill().await;
        dead
    }

    /// Kills the API with `kill -9`, and starts it again. The dead one is still there, for its path.
    pub(crate) async fn replace_api(&mut self, scene: &mut Scene) -> Part {
        self.api.kill().await;
        let another = start_api(scene, self.binaries.as_ref(), self.port).await;
        let dead = std::mem::replace(&mut self.api, another);
        self.until_answering().await;
        dead
    }

    /// Does what a service manager would, as [`crate::fleet::Fleet::revive`].
    pub(crate) async fn revive(&mut self, scene: &mut Scene) {
        for index in 0..self.workers.len() {
            if let Part::Process(member) = &mut self.workers[index]
                && member.process.status().is_some()
            {
                self.workers[index] = self.start_worker(scene).await;
            }
        }
    }

    /// All leave in peace: each finishes or gives back what it has.
    pub(crate) async fn workers_leave(&mut self) {
        for mut worker in std::mem::take(&mut self.workers) {
            worker.leave().await;
        }
    }

    /// Ids of jobs whose finish one of its stand-ins was told is accepted; its processes write that down as this release's do.
    pub(crate) fn finished(&self) -> Vec<String> {
        self.finished.lock().unwrap().clone()
    }

    async fn start_worker(&mut self, scene: &mut Scene) -> Part {
        self.started += 1;
        if let Some(binaries) = &self.binaries {
            let member = scene
                .fleet
                .start_previous_worker(&binaries.join("optimus-worker"))
                .await;
            until("a worker of the release before works", async || {
                worker_id(&member.process).is_some()
            })
            .await;
            return Part::Process(member);
        }
        let path = Proxy::to(scene.redis.port()).await;
        let worker = worker::Worker::new(
            &path.url(),
            format!("previous-{}", self.started),
            Arc::clone(&self.finished),
        );
        let leave = worker.leave();
        let runtime = Runtime::new().unwrap();
        runtime.spawn(worker.run());
        Part::StandIn {
            path,
            runtime: Some(runtime),
            leave,
        }
    }

    async fn until_answering(&self) {
        until("the API of the release before answers", async || {
            self.client
                .ask(Method::GET, "/languages", None)
                .await
                .is_some_and(|answer| answer.status.is_success())
        })
        .await;
    }
}

async fn start_api(scene: &mut Scene, binaries: Option<&PathBuf>, port: u16) -> Part {
    if let Some(binaries) = binaries {
        let api = binaries.join("optimus-api");
        return Part::Process(scene.fleet.start_previous_api(&api, port).await);
    }
    let path = Proxy::to(scene.redis.port()).await;
    let runtime = Runtime::new().unwrap();
    runtime.spawn(api::serve(port, path.url()));
    Part::StandIn {
        path,
        runtime: Some(runtime),
        leave: Arc::default(),
    }
}

impl Part {
    pub(crate) fn path(&self) -> &Proxy {
        match self {
            Self::Process(member) => member.path(),
            Self::StandIn { path, .. } => path,
        }
    }

    pub(crate) async fn kill(&mut self) {
        match self {
            Self::Process(member) => member.process.kill().await,
            Self::StandIn { runtime, .. } => runtime.take().unwrap().shutdown_background(),
        }
    }

    /// Leaves in peace.
    pub(crate) async fn leave(&mut self) {
        match self {
            Self::Process(member) => {
                member.process.signal(Signal::TERM);
                let status = member.process.ended().await;
                assert!(
                    status.success(),
                    "{status}; its log ends with\n{}",
                    member.process.log_end()
                );
            }
            Self::StandIn { runtime, leave, .. } => {
                leave.ask();
                until("a worker of the release before has left", async || {
                    leave.has_left()
                })
                .await;
                runtime.take().unwrap().shutdown_background();
            }
        }
    }

    /// The API of a stand-in has nothing to end.
    pub(crate) async fn api_leaves(&mut self) {
        match self {
            Self::Process(_) => self.leave().await,
            Self::StandIn { .. } => self.kill().await,
        }
    }
}

impl Drop for Part {
    /// A runtime may not be dropped by a task of another one.
    fn drop(&mut self) {
        if let Self::StandIn { runtime, .. } = self
            && let Some(runtime) = runtime.take()
        {
            runtime.shutdown_background();
        }
    }
}
