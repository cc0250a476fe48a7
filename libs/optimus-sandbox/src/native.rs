//! The native backend: a box is made of namespaces and control groups of this host.
//!
//! - `connection`, `wire`: a process of ours that makes boxes, the *spawner*, and how it is spoken to
//! - `spawner`: that process. It is this very program, started again with [`SPAWNER_ARG`]
//! - `roots`, `lookup`: what boxes see as their root, and how it is asked for
//! - `loaded_roots`: which roots are in memory
//! - `packages`: what belongs to a toolchain by the package manager's lists
//! - `handle`: a box's control and its end
//! - [`layers`]: what isolates a box, each layer proved by an attempt to break out of it
//! - [`toolchains`]: which languages the toolchains of this host serve
//!
//! Every program that uses this backend calls [`divert`] first of all. Linux 5.12 or later.
//!
//! A box leaves in one of five ways: its handle's `destroy`, the drop of its handle, the end of its agent, the end of
//! its worker (the spawner sees that its socket is closed), or the end of its spawner (by the kernel). Processes and
//! mounts go at once; control groups that nobody was left to remove go with the next start of a worker.

mod connection;
mod handle;
pub mod layers;
mod loaded_roots;
mod lookup;
mod packages;
mod prepare;
mod roots;
mod spawner;
pub mod toolchains;
mod wire;

use std::{
    env, fmt, io,
    os::{fd::AsFd, unix::net::UnixStream},
    process::ExitCode,
    sync::{Arc, OnceLock},
    time::Duration,
};

use async_trait::async_trait;
use optimus_cell::BoxResources;
use optimus_common::{WorkerId, causes, settings, weaken};
use tokio::sync::Mutex;
use tracing::debug;

use self::{
    connection::{SpawnerConnection, SpawnerError},
    handle::NativeBox,
    layers::{Layer, LayerReport},
    loaded_roots::{LoadedRoots, RootKey, RootLease},
    lookup::Lookup,
    wire::{CreateBox, HostFeatures, RequestId, SpawnerReply, SpawnerRequest, Support},
};
pub use self::{
    layers::PROBE_ARG,
    roots::{HostPath, HostRoot, Root, Roots},
};
use crate::backend::{Backend, BackendError, BoxSpec, LiveBox};

/// The first argument of a process that makes boxes.
pub const SPAWNER_ARG: &str = "native-spawner";

/// Becomes what the first argument says, if it is one of the native backend's: `None` for any other program. To be
/// called before anything else, while the process has one thread. `agent` is what runs in every box.
pub fn divert(agent: fn(BoxResources) -> ExitCode) -> Option<ExitCode> {
    let mut arguments = env::args_os().skip(1);
    let first = arguments.next()?;
    if first == SPAWNER_ARG {
        Some(spawner::run(agent))
    } else if first == PROBE_ARG {
        Some(layers::probe_main())
    } else {
        None
    }
}

/// Why there are no native boxes.
#[derive(Debug, thiserror::Error)]
pub enum NativeError {
    #[error("this host cannot make native boxes: {0}")]
    Host(String),
    #[error("the layer {layer} is missing: {reason}; {remedy}")]
    LayerMissing {
        layer: &'static str,
        reason: String,
        remedy: String,
    },
    #[error("native.allow_missing names {0:?}, which is no layer; `optimus-cli doctor` lists them")]
    UnknownLayer(String),
    #[error("native.allow_missing names {0:?}, without which there can be no box")]
    Indispensable(&'static str),
    #[error("cannot make a box")]
    Box(#[from] BackendError),
    #[error("cannot prepare the language: {0}")]
    Preparation(String),
}

/// Makes boxes from namespaces and control groups.
#[derive(Debug)]
pub struct NativeBackend {
    client: Arc<SpawnerClient>,
    roots: Lookup,
    reports: Vec<LayerReport>,
}

#[derive(Debug)]
pub(super) struct SpawnerClient {
    settings: settings::Native,
    worker: WorkerId,
    active: Mutex<Option<ActiveSpawner>>,
    /// Of the first spawner, whose boxes' layers were proved.
    features: OnceLock<HostFeatures>,
}

/// The spawner in use, and what it knows.
#[derive(Debug)]
struct ActiveSpawner {
    connection: Arc<SpawnerConnection>,
    roots: LoadedRoots,
}

/// Longest wait for a root to be copied into memory, from the slowest of disks.
const LONGEST_LOADING: Duration = Duration::from_mins(10);

impl NativeBackend {
    /// Starts a spawner, and proves every layer of its boxes.
    ///
    /// Must be called in a Tokio runtime that outlives the backend.
    pub async fn start(
        settings: &settings::Native,
        roots: Roots,
        worker: WorkerId,
    ) -> Result<Self, NativeError> {
        let allowed = layers::allowed(settings)?;
        let client = SpawnerClient::start(settings, worker)
            .await
            .map_err(|error| NativeError::Host(causes(&error)))?;
        let reports = if weaken::is_active() {
            Vec::new()
        } else {
            layers::verify(&client).await?
        };
        layers::refuse_missing(&reports, &allowed)?;
        Ok(Self {
            client,
            roots: Lookup::new(roots),
            reports,
        })
    }

    /// What was proved at the start.
    pub fn layers(&self) -> &[LayerReport] {
        &self.reports
    }

    /// Of the process that makes boxes, where there is one.
    pub async fn spawner_process(&self) -> Option<u32> {
        let active = self.client.active.lock().await;
        active.as_ref().map(|active| active.connection.process())
    }

    /// Looks at the host, and may ask its toolchains.
    async fn root(&self, spec: &BoxSpec) -> Result<Root, BackendError> {
        let unavailable = |reason: String| BackendError::Unavailable {
            language: spec.language.clone(),
            reason,
        };
        if !spec.runtime.is_empty() {
            return Err(unavailable(format!(
                "its boxes need the container runtime {}, and native boxes have none",
                spec.runtime
            )));
        }
        let timeout = self.client.settings.start_timeout;
        match tokio::time::timeout(timeout, self.roots.find(&spec.language)).await {
            Ok(found) => found.map_err(unavailable),
            Err(_) => Err(BackendError::timed_out("find the language on this host", timeout)),
        }
    }
}

#[async_trait]
impl Backend for NativeBackend {
    async fn create(&self, spec: &BoxSpec) -> Result<LiveBox, BackendError> {
        let root = self.root(spec).await?;
        let made = Arc::clone(&self.client).make(spec, root, Support::ReadOnly);
        made.await.map(|(live, _)| live)
    }

    async fn remove_orphans(&self, alive: &[WorkerId]) -> Result<u64, BackendError> {
        const OPERATION: &str = "remove what dead workers have left";
        let connection = self.client.connection().await;
        let request = SpawnerRequest::RemoveOrphans {
            alive: alive.to_vec(),
        };
        match connection
            .map_err(|error| BackendError::engine(OPERATION, error))?
            .ask(request, None)
            .await
        {
            Ok(SpawnerReply::Removed { boxes }) => Ok(boxes),
            Ok(_) => Ok(0),
            Err(error) => Err(BackendError::engine(OPERATION, error)),
        }
    }

    async fn check(&self, spec: &BoxSpec) -> Result<(), BackendError> {
        self.root(spec).await.map(drop)
    }

    fn ready_timeout(&self) -> Duration {
        self.client.settings.start_timeout
    }
}

impl SpawnerClient {
    async fn start(settings: &settings::Native, worker: WorkerId) -> Result<Arc<Self>, SpawnerError> {
        let client = Self {
            settings: settings.clone(),
            worker,
            active: Mutex::new(None),
            features: OnceLock::new(),
        };
        client.connection().await?;
        Ok(Arc::new(client))
    }

    /// The spawner; a new one where the last one has died.
    async fn connection(&self) -> Result<Arc<SpawnerConnection>, SpawnerError> {
        let mut active = self.active.lock().await;
        self.ensure(&mut active)
            .await
            .map(|active| Arc::clone(&active.connection))
    }

    async fn ensure<'a>(
        &self,
        active: &'a mut Option<ActiveSpawner>,
    ) -> Result<&'a mut ActiveSpawner, SpawnerError> {
        if active.as_ref().is_none_or(|active| active.connection.is_dead()) {
            *active = None;
            let connection = Arc::new(SpawnerConnection::start(&self.settings, &self.worker).await?);
            let features = self.features.get_or_init(|| connection.features().clone());
            if !connection.features().is_no_less_than(features) {
                return Err(SpawnerError::Less(format!("{:?}", connection.features())));
            }
            *active = Some(ActiveSpawner {
                connection,
                roots: LoadedRoots::default(),
            });
        }
        active.as_mut().ok_or(SpawnerError::Died)
    }

    /// The spawner, once it has this root in memory. Others may ask for other roots meanwhile.
    async fn loaded_root(
        &self,
        wanted: &RootKey,
    ) -> Result<(Arc<SpawnerConnection>, RootLease), BackendError> {
        const OPERATION: &str = "copy what boxes see into memory";
        let (connection, lease, ready, has_failed) = {
            let mut active = self.active.lock().await;
            let active = self.ensure(&mut active).await;
            let ActiveSpawner { connection, roots } =
                active.map_err(|error| BackendError::engine(OPERATION, error))?;
            let most_bytes = self.settings.root_max_mb << 20;
            if let Some(reason) = roots.failure(wanted) {
                return Err(not_to_be_had(wanted, &reason));
            }
            let has_failed = roots.has_failed(wanted);
            let (lease, ready) = roots.load(connection, wanted, most_bytes);
            roots.forget_others(connection, wanted);
            (Arc::clone(connection), lease, ready, has_failed)
        };
        let done = tokio::time::timeout(LONGEST_LOADING, ready)
            .await
            .map_err(|_| BackendError::timed_out(OPERATION, LONGEST_LOADING))?;
        if let Err(error) = done {
            let mut active = self.active.lock().await;
            if let Some(active) = active.as_mut() {
                active.roots.drop_failed(wanted, &lease, &error);
            }
            return Err(match &*error {
                SpawnerError::Refused(reason) => not_to_be_had(wanted, reason),
                _ => BackendError::engine(OPERATION, error),
            });
        }
        if has_failed && let Some(active) = self.active.lock().await.as_mut() {
            active.roots.forget_failures(wanted);
        }
        Ok((connection, lease))
    }

    /// Gives the memory of a root back that is not needed any more.
    async fn forget(&self, unwanted: &RootKey) {
        if let Some(ActiveSpawner { connection, roots }) = self.active.lock().await.as_mut() {
            roots.forget_this(connection, unwanted);
        }
    }

    async fn make(
        self: Arc<Self>,
        spec: &BoxSpec,
        root: Root,
        support: Support,
    ) -> Result<(LiveBox, RequestId), BackendError> {
        let wanted = RootKey {
            language: spec.language.clone(),
            root,
            support,
        };
        let (connection, lease) = self.loaded_root(&wanted).await?;
        let timeout = self.settings.start_timeout;
        let making = self.make_of(spec, connection, lease);
        tokio::time::timeout(timeout, making)
            .await
            .map_err(|_| BackendError::timed_out("make a box", timeout))?
    }

    /// A box of a root that is in memory.
    async fn make_of(
        self: Arc<Self>,
        spec: &BoxSpec,
        connection: Arc<SpawnerConnection>,
        lease: RootLease,
    ) -> Result<(LiveBox, RequestId), BackendError> {
        const OPERATION: &str = "make a box";
        let failed = |error: SpawnerError| BackendError::engine(OPERATION, error);
        let root = lease.root();
        let (ours, theirs) = UnixStream::pair().map_err(|error| BackendError::engine(OPERATION, error))?;
        let stream = nonblocking(ours).map_err(|error| BackendError::engine(OPERATION, error))?;
        // There before the box: from here on every way out destroys it.
        let mut handle = NativeBox {
            client: Arc::clone(&self),
            connection: Arc::clone(&connection),
            id: connection.next_id(),
            name: String::new(),
            _root: lease,
            gone: Mutex::new(false),
        };
        let request = SpawnerRequest::CreateBox(CreateBox {
            root,
            memory_bytes: spec.memory_bytes,
            cpus: spec.cpus,
            processes: spec.processes,
            disk_bytes: spec.disk_bytes,
            compile_disk_bytes: spec.compile_disk_bytes,
            open_files: spec.open_files,
        });
        let made = connection.ask_as(handle.id, request, Some(theirs.as_fd())).await;
        drop(theirs);
        let SpawnerReply::BoxCreated { name, steps } = made.map_err(failed)? else {
            return Err(BackendError::engine(OPERATION, SpawnerError::Died));
        };
        debug!(name, language = %spec.language, ?steps, "box made; steps in microseconds");
        handle.name = name;
        let (reader, writer) = stream.into_split();
        let id = handle.id;
        let live = LiveBox {
            reader: Box::pin(reader),
            writer: Box::pin(writer),
            handle: Box::new(handle),
        };
        Ok((live, id))
    }
}

fn nonblocking(stream: UnixStream) -> io::Result<tokio::net::UnixStream> {
    stream.set_nonblocking(true)?;
    tokio::net::UnixStream::from_std(stream)
}

/// What a root shows is too much, or cannot be read: somebody has to change something.
fn not_to_be_had(wanted: &RootKey, reason: &str) -> BackendError {
    BackendError::Unavailable {
        language: wanted.language.clone(),
        reason: format!("what its boxes would see cannot be copied into memory: {reason}"),
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Makes boxes for the worker at the other end of a socket, until that end is closed. `agent` is what the first process of
/// each box becomes.
pub fn spawner_main(agent: fn(BoxResources) -> ExitCode) -> ExitCode {
    spawner::run(agent)
}
