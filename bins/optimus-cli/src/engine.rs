//! The container engine.

use std::{env, time::Duration};

use anyhow::Context;
use bollard::{Docker, errors::Error, models::ImageInspect};

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
    Ok(find_image(docker, image).await?.is_some())
}

/// A label of an image; `None` where either is not there.
pub(crate) async fn label_of(docker: &Docker, image: &str, label: &str) -> Result<Option<String>, Failure> {
    let found = find_image(docker, image).await?;
    let labels = found
        .and_then(|image| image.config)
        .and_then(|config| config.labels);
    Ok(labels.and_then(|mut labels| labels.remove(label)))
}

async fn find_image(docker: &Docker, image: &str) -> Result<Option<ImageInspect>, Failure> {
    match docker.inspect_image(image).await {
        Ok(found) => Ok(Some(found)),
        Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(None),
        Err(error) => Err(error)
            .with_context(|| format!("cannot look for the image {image}"))
            .trouble(),
    }
}
