//! The native backend: a box is made of namespaces and control groups of this host.
//!
//! - `client`, `connection`, `wire`: a process of ours that makes boxes, the *spawner*, and how it is spoken to
//! - `spawner`: that process. It is this very program, started again with [`SPAWNER_ARG`]
//! - `roots`, `lookup`: what boxes see as their root, and how it is found
//! - `loaded_roots`: which roots are in memory
//! - `packages`: what belongs to a toolchain by the package manager's lists
//! - `native_box`: a box from the request to its end
//! - [`layers`]: what isolates a box, each layer proved by an attempt to break out of it
//! - [`toolchains`]: which languages the toolchains of this host serve
//!
//! Every program that uses this backend calls [`divert`] first of all. Linux 5.12 or later.
//!
//! A box leaves in one of five ways: its handle's `destroy`, the drop of its handle, the end of its agent, the end of
//! its worker (the spawner sees that its socket is closed), or the end of its spawner (by the kernel). Processes and
//! mounts go at once; control groups that nobody was left to remove go with the next start of a worker.

mod client;
mod connection;
mod error;
pub mod layers;
mod loaded_roots;
mod lookup;
mod native_box;
mod packages;
mod prepare;
mod roots;
mod spawner;
pub mod toolchains;
mod wire;

use std::{env, process::ExitCode, sync::Arc, time::Duration};

use async_trait::async_trait;
use optimus_cell::BoxResources;
use optimus_common::{WorkerId, causes, weaken};

use self::{
    client::SpawnerClient,
    layers::LayerReport,
    loaded_roots::RootKey,
    wire::{SpawnerReply, SpawnerRequest, Support},
};
use crate::{
    backend::{Backend, BackendError, LiveBox},
    root_digest::RootDigest,
    roots::{Resolved, RootProvider},
    settings::NativeSettings,
    spec::{BoxSpec, Lifetime, NetworkPolicy},
};

pub use self::{
    connection::SPAWNER_ARG,
    error::NativeError,
    layers::PROBE_ARG,
    lookup::Roots,
    roots::{HostPath, HostRoot, Root},
};

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

/// Makes boxes from namespaces and control groups.
#[derive(Debug)]
pub struct NativeBackend {
    client: Arc<SpawnerClient>,
    roots: Arc<dyn RootProvider<Root = Root>>,
    reports: Vec<LayerReport>,
}

impl NativeBackend {
    /// Starts a spawner, and proves every layer of its boxes.
    ///
    /// Must be called in a Tokio runtime that outlives the backend.
    pub async fn start(
        settings: &NativeSettings,
        roots: impl RootProvider<Root = Root>,
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
            roots: Arc::new(roots),
            reports,
        })
    }

    /// What was proved at the start.
    pub fn layers(&self) -> &[LayerReport] {
        &self.reports
    }

    /// The process id of the spawner, where there is one.
    pub async fn spawner_process(&self) -> Option<u32> {
        self.client.process().await
    }

    /// Looks at the host, and may ask its toolchains.
    async fn root(&self, spec: &BoxSpec) -> Result<Resolved<Root>, BackendError> {
        // What is asked for beyond this has to be built here first.
        let (NetworkPolicy::Off, Lifetime::OneJob) = (spec.network, spec.lifetime);
        if !spec.runtime.is_empty() {
            return Err(BackendError::Unavailable {
                language: spec.root.language.clone(),
                reason: format!(
                    "its boxes need the container runtime {}, and native boxes have none",
                    spec.runtime
                ),
            });
        }
        let timeout = self.client.settings.start_timeout;
        tokio::time::timeout(timeout, self.roots.resolve(&spec.root))
            .await
            .unwrap_or_else(|_| Err(BackendError::timed_out("find the language on this host", timeout)))
    }
}

#[async_trait]
impl Backend for NativeBackend {
    async fn create(&self, spec: &BoxSpec) -> Result<LiveBox, BackendError> {
        let Resolved { root, digest } = self.root(spec).await?;
        let root = RootKey {
            language: spec.root.language.clone(),
            root,
            support: Support::ReadOnly,
        };
        let made = native_box::make(&self.client, &spec.resources, &root, digest);
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

    async fn check(&self, spec: &BoxSpec) -> Result<RootDigest, BackendError> {
        self.root(spec).await.map(|resolved| resolved.digest)
    }

    fn ready_timeout(&self) -> Duration {
        self.client.settings.start_timeout
    }
}
