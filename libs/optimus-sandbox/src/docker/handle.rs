//! A container's control and its end.

use std::time::Duration;

use async_trait::async_trait;
use bollard::{Docker, models::ContainerUpdateBody, query_parameters::RemoveContainerOptionsBuilder};
use optimus_common::causes;
use tokio::{runtime::Handle, sync::Mutex, time::Instant};
use tracing::warn;

use super::{calls::status, container::signed, image_use::ImageUse};
use crate::backend::{BackendError, BoxHandle};

/// How long the removal of a container is tried.
const REMOVE_TIMEOUT: Duration = Duration::from_secs(30);
const FIRST_RETRY: Duration = Duration::from_millis(10);
const LONGEST_RETRY: Duration = Duration::from_secs(1);

/// How long the engine may take to change a container.
const UPDATE_TIMEOUT: Duration = Duration::from_secs(10);

/// A container by its name. Dropping it destroys the container in the background.
pub(super) struct ContainerHandle {
    docker: Docker,
    name: String,
    state: Mutex<ContainerState>,
    /// Keeps the image in memory, where it is held there.
    _image: Option<ImageUse>,
}

struct ContainerState {
    /// What the container may use now.
    memory_bytes: u64,
    /// Whether it is known to be gone.
    gone: bool,
}

impl ContainerHandle {
    pub(super) fn new(docker: Docker, name: String, memory_bytes: u64, image: Option<ImageUse>) -> Self {
        Self {
            docker,
            name,
            state: Mutex::new(ContainerState {
                memory_bytes,
                gone: false,
            }),
            _image: image,
        }
    }
}

#[async_trait]
impl BoxHandle for ContainerHandle {
    fn name(&self) -> &str {
        &self.name
    }

    async fn grow_memory(&self, bytes: u64) -> Result<(), BackendError> {
        let mut state = self.state.lock().await;
        if bytes <= state.memory_bytes {
            return Ok(());
        }
        let memory = Some(signed(bytes));
        let update = ContainerUpdateBody {
            memory,
            memory_swap: memory,
            ..Default::default()
        };
        tokio::time::timeout(UPDATE_TIMEOUT, self.docker.update_container(&self.name, update))
            .await
            .map_err(|_| BackendError::timed_out("give a container more memory", UPDATE_TIMEOUT))?
            .map_err(|error| BackendError::engine("give a container more memory", error))?;
        state.memory_bytes = bytes;
        Ok(())
    }

    async fn destroy(&self) -> Result<(), BackendError> {
        let mut state = self.state.lock().await;
        if !state.gone {
            remove(&self.docker, &self.name).await?;
            state.gone = true;
        }
        Ok(())
    }
}

impl Drop for ContainerHandle {
    fn drop(&mut self) {
        // Without a runtime the process is about to end, and the container ends with its standard input.
        if self.state.get_mut().gone {
            return;
        }
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let docker = self.docker.clone();
        let name = std::mem::take(&mut self.name);
        runtime.spawn(async move {
            if let Err(error) = remove(&docker, &name).await {
                warn!(name, error = causes(&error), "a box is left behind");
            }
        });
    }
}

/// Kills and removes a container, and returns when it is gone. No error where it is gone already.
pub(super) async fn remove(docker: &Docker, name: &str) -> Result<(), BackendError> {
    const OPERATION: &str = "remove a container";
    let deadline = Instant::now() + REMOVE_TIMEOUT;
    let mut delay = FIRST_RETRY;
    loop {
        // With the volumes that the image may have declared.
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        let answer = tokio::time::timeout_at(deadline, docker.remove_container(name, Some(options)))
            .await
            .map_err(|_| BackendError::timed_out(OPERATION, REMOVE_TIMEOUT))?;
        match answer {
            Ok(()) => return Ok(()),
            Err(error) if status(&error) == Some(404) => return Ok(()),
            // 409: the engine is removing it already, because it has ended. Anything else may pass as well.
            Err(error) if Instant::now() + delay > deadline => {
                return Err(BackendError::engine(OPERATION, error));
            }
            Err(_) => tokio::time::sleep(delay).await,
        }
        delay = (delay * 2).min(LONGEST_RETRY);
    }
}
