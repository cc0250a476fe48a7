//! The Docker backend: a box is a container.
//!
//! - `connect`: which engine, and whether it is fit
//! - `images`: which image a root is
//! - `container`: what a box may do, as the engine's configuration
//! - `holders`: the files of images, kept in memory
//! - `masks`: what of `/proc` and `/sys` it does not see
//! - `ports`: which ports connections go out from
//! - `output`: the agent's output, apart from what else comes over the attached stream
//! - `handle`: a container's control and its end
//!
//! A box leaves in one of four ways: [`BoxHandle::destroy`], the drop of its handle, the end of its standard input
//! (which is the end of the worker, whatever killed it: the agent leaves and the engine removes the container), or
//! [`Backend::remove_orphans`] of another worker.
//!
//! [`BoxHandle::destroy`]: crate::BoxHandle::destroy

mod calls;
mod connect;
mod container;
mod handle;
mod holders;
mod image_use;
mod images;
mod masks;
mod output;
#[cfg(target_os = "linux")]
mod ports;
#[cfg(not(target_os = "linux"))]
#[path = "docker/ports_elsewhere.rs"]
mod ports;

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bollard::{
    Docker,
    query_parameters::{CreateContainerOptionsBuilder, ListContainersOptionsBuilder},
};
use calls::{attach, start, status};
pub use connect::{ConnectError, Reached, connect};
use container::Owner;
pub use container::{BOX_LABEL, LANGUAGE_LABEL};
use futures_util::{StreamExt, stream};
use handle::ContainerHandle;
use holders::{Holders, LET_GO};
use image_use::ImageUse;
use images::{ImageId, Images};
use optimus_common::WorkerId;
use output::AgentOutput;
use ports::ContainerPorts;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::debug;
use uuid::Uuid;

use crate::{
    backend::{Backend, BackendError, LiveBox},
    root_digest::RootDigest,
    roots::{Resolved, RootProvider},
    settings::DockerSettings,
    spec::BoxSpec,
};

/// Longest wait for an answer of the engine. A call that was given up may still be executed later, when nobody is
/// there to clean up after it, so this is longer than any engine that still works needs.
const CALL_TIMEOUT: Duration = Duration::from_mins(10);

/// Orphans removed at once.
const PARALLEL_REMOVALS: usize = 4;

/// Makes boxes from containers of one engine.
#[derive(Debug)]
pub struct DockerBackend {
    engine: Arc<Engine>,
    start_timeout: Duration,
}

#[derive(Debug)]
struct Engine {
    docker: Docker,
    /// Whose boxes these are.
    owner: Owner,
    /// CPUs of the engine's machine: it refuses to promise more.
    cpus: f64,
    images: Images,
    holders: Holders,
    ports: ContainerPorts,
    /// Turns at making boxes.
    starts: Arc<Semaphore>,
}

impl DockerBackend {
    /// Connects to the engine that the settings name, else `DOCKER_HOST`, else the local one.
    pub async fn connect(settings: &DockerSettings, worker: WorkerId) -> Result<Self, BackendError> {
        let docker = connect::engine(&settings.host)?.with_timeout(CALL_TIMEOUT);
        // The kernel takes some milliseconds, in which it waits.
        let ports = tokio::task::spawn_blocking(ContainerPorts::of_this_machine);
        let (docker, machine) = tokio::time::timeout(settings.start_timeout, connect::probe(docker))
            .await
            .map_err(|_| {
                BackendError::timed_out("connect to the container engine", settings.start_timeout)
            })??;
        let turns = usize::try_from(settings.parallel_starts)
            .unwrap_or(usize::MAX)
            .clamp(1, Semaphore::MAX_PERMITS);
        let engine = Engine {
            images: Images::new(docker.clone(), settings.start_timeout),
            docker,
            owner: Owner {
                scope: settings.scope.clone(),
                worker,
            },
            cpus: machine.cpus,
            holders: Holders::new(settings.hold_max_mb, machine.memory_bytes),
            ports: ports
                .await
                .map_err(|lost| BackendError::engine("prepare the machine", lost))?,
            starts: Arc::new(Semaphore::new(turns)),
        };
        Ok(Self {
            engine: Arc::new(engine),
            start_timeout: settings.start_timeout,
        })
    }
}

#[async_trait]
impl Backend for DockerBackend {
    async fn create(&self, spec: &BoxSpec) -> Result<LiveBox, BackendError> {
        let resolved = self.engine.images.resolve(&spec.root).await?;
        let (engine, id, held) = (Arc::clone(&self.engine), resolved.root.clone(), spec.clone());
        // A task of its own, for the reason below.
        let held = tokio::spawn(async move {
            let Engine {
                docker,
                owner,
                holders,
                ..
            } = &*engine;
            holders.hold(docker, owner, &held, &id).await
        });
        let image = held
            .await
            .map_err(|lost| BackendError::engine("hold an image in memory", lost))?;
        let making = async {
            let turn = Arc::clone(&self.engine.starts)
                .acquire_owned()
                .await
                .map_err(|closed| BackendError::engine("make a box", closed))?;
            // A task of its own: when the caller gives up, the engine's answer is still awaited, so that the container
            // is known and its handle destroys it.
            tokio::spawn(make_box(
                Arc::clone(&self.engine),
                spec.clone(),
                resolved,
                image,
                turn,
            ))
            .await
            .map_err(|lost| BackendError::engine("make a box", lost))?
        };
        tokio::time::timeout(self.start_timeout, making)
            .await
            .map_err(|_| BackendError::timed_out("make a box", self.start_timeout))?
    }

    async fn remove_orphans(&self, alive: &[WorkerId]) -> Result<u64, BackendError> {
        // Holders are left behind likewise, by languages.
        self.engine.holders.let_go(LET_GO).await;
        let filters = HashMap::from([(
            "label",
            vec![format!("{}={}", container::SCOPE_LABEL, self.engine.owner.scope)],
        )]);
        let options = ListContainersOptionsBuilder::new()
            .all(true)
            .filters(&filters)
            .build();
        let all = self
            .engine
            .docker
            .list_containers(Some(options))
            .await
            .map_err(|error| BackendError::engine("list the containers", error))?;
        let orphans = all.into_iter().filter_map(|found| {
            let owner = found.labels?.remove(container::WORKER_LABEL)?;
            if alive.iter().any(|worker| worker.as_str() == owner) {
                None
            } else {
                found.id
            }
        });
        let removals = orphans.map(|id| async move { handle::remove(&self.engine.docker, &id).await });
        let mut removals = stream::iter(removals).buffer_unordered(PARALLEL_REMOVALS);
        let mut removed = 0;
        let mut failure = None;
        while let Some(result) = removals.next().await {
            match result {
                Ok(()) => removed += 1,
                Err(error) => failure = Some(error),
            }
        }
        failure.map_or(Ok(removed), Err)
    }

    async fn check(&self, spec: &BoxSpec) -> Result<RootDigest, BackendError> {
        let resolved = self.engine.images.resolve(&spec.root).await?;
        Ok(resolved.digest)
    }

    fn ready_timeout(&self) -> Duration {
        self.start_timeout
    }
}

/// Create, attach, start, in this order: what the agent says first must not be lost.
async fn make_box(
    engine: Arc<Engine>,
    spec: BoxSpec,
    resolved: Resolved<ImageId>,
    image: Option<ImageUse>,
    turn: OwnedSemaphorePermit,
) -> Result<LiveBox, BackendError> {
    let began = Instant::now();
    let mut id = Uuid::now_v7().simple().to_string();
    // The head is the time, alike in boxes made together; the tail is random.
    let name = format!("optimus-{}-{}", spec.root.language, id.split_off(20));
    let options = CreateContainerOptionsBuilder::new().name(&name).build();
    let body = container::configuration(&spec, &resolved.root, &engine.owner, engine.cpus);
    // There before the container: from here on every way out destroys it.
    let handle = ContainerHandle::new(
        engine.docker.clone(),
        name.clone(),
        spec.resources.memory_bytes,
        image,
    );
    let container = engine
        .docker
        .create_container(Some(options), body)
        .await
        .map_err(|error| match status(&error) {
            // Removed since it was looked for.
            Some(404) => images::missing(&spec.root),
            _ => BackendError::engine("create a container", error),
        })?;
    let created = Instant::now();
    let attached = attach(&engine.docker, &name).await?;
    let joined = Instant::now();
    start(&engine.docker, &name).await?;
    engine.ports.draw_at_random(&container.id);
    drop(turn);
    debug!(
        name,
        language = %spec.root.language,
        create_ms = millis(began, created),
        attach_ms = millis(created, joined),
        start_ms = millis(joined, Instant::now()),
        "box made"
    );
    let reader = Box::pin(AgentOutput::new(name, attached.output));
    Ok(LiveBox {
        reader,
        writer: attached.input,
        handle: Box::new(handle),
        root: resolved.digest,
    })
}

fn millis(from: Instant, to: Instant) -> u64 {
    u64::try_from((to - from).as_millis()).unwrap_or(u64::MAX)
}
