//! Calls of the engine that several make.

use bollard::{
    Docker,
    container::AttachContainerResults,
    query_parameters::{AttachContainerOptionsBuilder, StartContainerOptions},
};

use crate::backend::BackendError;

/// Joins all of a container's standard streams, before it is started.
pub(super) async fn attach(docker: &Docker, name: &str) -> Result<AttachContainerResults, BackendError> {
    let streams = AttachContainerOptionsBuilder::new()
        .stream(true)
        .stdin(true)
        .stdout(true)
        .stderr(true)
        .build();
    docker
        .attach_container(name, Some(streams))
        .await
        .map_err(|error| BackendError::engine("attach to a container", error))
}

pub(super) async fn start(docker: &Docker, name: &str) -> Result<(), BackendError> {
    docker
        .start_container(name, None::<StartContainerOptions>)
        .await
        .map_err(|error| BackendError::engine("start a container", error))
}

/// The engine's answer, where it gave one.
pub(super) fn status(error: &bollard::errors::Error) -> Option<u16> {
    match error {
        bollard::errors::Error::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
}
