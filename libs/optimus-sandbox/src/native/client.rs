//! The worker's side of its spawner: one is there when it is needed, and has the roots in memory that boxes are made of.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use optimus_common::WorkerId;
use tokio::sync::Mutex;

use super::{
    connection::{SpawnerConnection, SpawnerError},
    loaded_roots::{LoadedRoots, RootKey, RootLease},
    wire::HostFeatures,
};
use crate::{backend::BackendError, settings::NativeSettings};

/// A worker's spawner, and another one when it has died.
#[derive(Debug)]
pub(super) struct SpawnerClient {
    pub(super) settings: NativeSettings,
    worker: WorkerId,
    active: Mutex<Option<ActiveSpawner>>,
    /// What the first spawner could do, whose boxes' layers were proved: a later one must do no less.
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

impl SpawnerClient {
    pub(super) async fn start(
        settings: &NativeSettings,
        worker: WorkerId,
    ) -> Result<Arc<Self>, SpawnerError> {
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
    pub(super) async fn connection(&self) -> Result<Arc<SpawnerConnection>, SpawnerError> {
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
    pub(super) async fn loaded_root(
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

    /// The process id of the spawner, where there is one.
    pub(super) async fn process(&self) -> Option<u32> {
        let active = self.active.lock().await;
        active.as_ref().map(|active| active.connection.process())
    }

    /// Gives the memory of a root back that is not needed any more.
    pub(super) async fn forget(&self, unwanted: &RootKey) {
        if let Some(ActiveSpawner { connection, roots }) = self.active.lock().await.as_mut() {
            roots.forget_this(connection, unwanted);
        }
    }
}

/// What a root shows is too much, or cannot be read: somebody has to change something.
fn not_to_be_had(wanted: &RootKey, reason: &str) -> BackendError {
    BackendError::Unavailable {
        language: wanted.language.clone(),
        reason: format!("what its boxes would see cannot be copied into memory: {reason}"),
    }
}
