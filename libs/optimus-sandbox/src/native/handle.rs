//! A native box's control and its end.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::{runtime::Handle, sync::Mutex};
use tracing::warn;

use super::{
    SpawnerClient,
    connection::{SpawnerConnection, SpawnerError},
    loaded_roots::RootLease,
    wire::{RequestId, SpawnerRequest},
};
use crate::backend::{BackendError, BoxHandle};

/// A box by the request that made it. Dropping it destroys the box in the background.
pub(super) struct NativeBox {
    pub(super) client: Arc<SpawnerClient>,
    pub(super) connection: Arc<SpawnerConnection>,
    pub(super) id: RequestId,
    pub(super) name: String,
    pub(super) _root: RootLease,
    /// Whether it is known to be gone.
    pub(super) gone: Mutex<bool>,
}

#[async_trait]
impl BoxHandle for NativeBox {
    fn name(&self) -> &str {
        &self.name
    }

    async fn grow_memory(&self, bytes: u64) -> Result<(), BackendError> {
        let request = SpawnerRequest::GrowMemory { of: self.id, bytes };
        self.connection
            .ask(request, None)
            .await
            .map(drop)
            .map_err(|error| BackendError::engine("give a box more memory", error))
    }

    async fn destroy(&self) -> Result<(), BackendError> {
        let mut gone = self.gone.lock().await;
        if !*gone {
            destroy(&self.client, &self.connection, self.id).await?;
            *gone = true;
        }
        Ok(())
    }
}

impl Drop for NativeBox {
    fn drop(&mut self) {
        // Without a runtime the process is about to end, and its spawner and the box with it.
        if *self.gone.get_mut() {
            return;
        }
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let (client, connection, id) = (Arc::clone(&self.client), Arc::clone(&self.connection), self.id);
        let name = std::mem::take(&mut self.name);
        runtime.spawn(async move {
            if let Err(error) = destroy(&client, &connection, id).await {
                warn!(
                    name,
                    error = &error as &dyn std::error::Error,
                    "a box is left behind"
                );
            }
        });
    }
}

/// Kills a box, and returns when nothing is left of it.
pub(super) async fn destroy(
    client: &SpawnerClient,
    connection: &SpawnerConnection,
    id: RequestId,
) -> Result<(), BackendError> {
    match connection.ask(SpawnerRequest::Destroy { of: id }, None).await {
        // The kernel has killed the box. A new spawner removes what is left of it when it begins.
        Err(SpawnerError::Died) => client.connection().await.map(drop),
        Err(error) => Err(error),
        Ok(_) => Ok(()),
    }
    .map_err(|error| BackendError::engine("destroy a box", error))
}
