//! A native box, from the request to its end.

use std::{
    io,
    os::{fd::AsFd, unix::net::UnixStream},
    sync::Arc,
};

use async_trait::async_trait;
use optimus_common::{LanguageName, causes};
use tokio::{runtime::Handle, sync::Mutex};
use tracing::{debug, warn};

use super::{
    client::SpawnerClient,
    connection::{SpawnerConnection, SpawnerError},
    loaded_roots::{RootKey, RootLease},
    wire::{CreateBox, RequestId, SpawnerReply, SpawnerRequest},
};
use crate::{
    backend::{BackendError, BoxHandle, LiveBox},
    root_digest::RootDigest,
    spec::ResourceLimits,
};

/// Makes a box, and destroys it again where that is given up.
pub(super) async fn make(
    client: &Arc<SpawnerClient>,
    resources: &ResourceLimits,
    root: &RootKey,
    digest: RootDigest,
) -> Result<(LiveBox, RequestId), BackendError> {
    let (connection, lease) = client.loaded_root(root).await?;
    let timeout = client.settings.start_timeout;
    let making = make_of(client, resources, &root.language, connection, lease, digest);
    tokio::time::timeout(timeout, making)
        .await
        .map_err(|_| BackendError::timed_out("make a box", timeout))?
}

/// A box of a root that is in memory.
async fn make_of(
    client: &Arc<SpawnerClient>,
    resources: &ResourceLimits,
    language: &LanguageName,
    connection: Arc<SpawnerConnection>,
    lease: RootLease,
    digest: RootDigest,
) -> Result<(LiveBox, RequestId), BackendError> {
    const OPERATION: &str = "make a box";
    let failed = |error: SpawnerError| BackendError::engine(OPERATION, error);
    let root = lease.root();
    let (ours, theirs) = UnixStream::pair().map_err(|error| BackendError::engine(OPERATION, error))?;
    let stream = nonblocking(ours).map_err(|error| BackendError::engine(OPERATION, error))?;
    // There before the box: from here on every way out destroys it.
    let mut handle = NativeBox {
        client: Arc::clone(client),
        connection: Arc::clone(&connection),
        id: connection.next_id(),
        name: String::new(),
        _root: lease,
        gone: Mutex::new(false),
    };
    let request = SpawnerRequest::CreateBox(CreateBox {
        root,
        memory_bytes: resources.memory_bytes,
        cpus: resources.cpus.as_f64(),
        processes: resources.processes,
        disk_bytes: resources.disk_bytes,
        compile_disk_bytes: resources.compile_disk_bytes,
        open_files: resources.open_files,
    });
    let made = connection.ask_as(handle.id, request, Some(theirs.as_fd())).await;
    drop(theirs);
    let SpawnerReply::BoxCreated { name, steps } = made.map_err(failed)? else {
        return Err(BackendError::engine(OPERATION, SpawnerError::Died));
    };
    debug!(name, %language, ?steps, "box made; steps in microseconds");
    handle.name = name;
    let (reader, writer) = stream.into_split();
    let id = handle.id;
    let live = LiveBox {
        reader: Box::pin(reader),
        writer: Box::pin(writer),
        handle: Box::new(handle),
        root: digest,
    };
    Ok((live, id))
}

fn nonblocking(stream: UnixStream) -> io::Result<tokio::net::UnixStream> {
    stream.set_nonblocking(true)?;
    tokio::net::UnixStream::from_std(stream)
}

/// A box by the request that made it. Dropping it destroys the box in the background.
struct NativeBox {
    client: Arc<SpawnerClient>,
    connection: Arc<SpawnerConnection>,
    id: RequestId,
    name: String,
    _root: RootLease,
    /// Whether it is known to be gone.
    gone: Mutex<bool>,
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
                warn!(name, error = causes(&error), "a box is left behind");
            }
        });
    }
}

/// Kills a box, and returns when nothing is left of it.
async fn destroy(
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
