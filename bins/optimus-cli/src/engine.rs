//! The container engine.

use std::{env, time::Duration};

use anyhow::Context;
use bollard::{Docker, errors::Error};

use crate::exit::{Blame, Failure};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The engine at `DOCKER_HOST`, else the local one.
pub(crate) async fn connect() -> Result<Docker, Failure> {
    let docker = match env::var("DOCKER_HOST") {
        Ok(host) if !host.is_empty() => Docker::connect_with_host(&host),
        _ => local(),
    };
    let docker = docker
        .context("cannot find the container engine; is Docker installed and running?")
        .trouble()?;
    tokio::time::timeout(CONNECT_TIMEOUT, docker.negotiate_version())
        .await
        .context("the container engine does not answer")
        .and_then(|docker| docker.context("cannot reach the container engine; is Docker running?"))
        .trouble()
}

/// Docker's socket, else Podman's.
fn local() -> Result<Docker, Error> {
    match Docker::connect_with_local_defaults() {
        #[cfg(unix)]
        Err(Error::SocketNotFoundError(_)) => Docker::connect_with_podman_defaults(),
        found => found,
    }
}

/// Whether the engine has an image of this name.
pub(crate) async fn has_image(docker: &Docker, image: &str) -> Result<bool, Failure> {
    match docker.inspect_image(image).await {
        Ok(_) => Ok(true),
        Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(false),
        Err(error) => Err(error)
            .with_context(|| format!("cannot look for the image {image}"))
            .trouble(),
    }
}
