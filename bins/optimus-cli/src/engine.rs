//! The container engine.

use std::{env, time::Duration};

use anyhow::{Context, bail};
use bollard::{Docker, errors::Error, models::ImageInspect};

use crate::exit::{Classify, Failure};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The engine at `DOCKER_HOST`, else the local one.
pub(crate) async fn connect() -> Result<Docker, Failure> {
    let docker = match env::var("DOCKER_HOST") {
        Ok(host) if !host.is_empty() => Docker::connect_with_host(&host),
        _ => Docker::connect_with_local_defaults(),
    };
    let docker = docker
        .context("cannot find the container engine; is Docker installed and running?")
        .system()?;
    tokio::time::timeout(CONNECT_TIMEOUT, reach(docker))
        .await
        .context("the container engine does not answer")
        .and_then(|docker| docker.context("cannot reach the container engine; is Docker running?"))
        .and_then(|(docker, engine)| match engine {
            Engine::Docker => Ok(docker),
            Engine::Podman => {
                bail!("the container engine is Podman, in which boxes cannot be made as they have to be")
            }
        })
        .system()
}

/// Which engine answers. Workers refuse Podman.
enum Engine {
    Docker,
    Podman,
}

async fn reach(docker: Docker) -> Result<(Docker, Engine), Error> {
    let docker = docker.negotiate_version().await?;
    let parts = docker.version().await?.components.unwrap_or_default();
    let podman = parts.iter().any(|part| part.name.starts_with("Podman"));
    Ok((docker, if podman { Engine::Podman } else { Engine::Docker }))
}

/// Whether the engine has an image of this name.
pub(crate) async fn has_image(docker: &Docker, image: &str) -> Result<bool, Failure> {
    Ok(find_image(docker, image).await?.is_some())
}

/// How large an image is; `None` where it is not there.
pub(crate) async fn bytes_of(docker: &Docker, image: &str) -> Result<Option<u64>, Failure> {
    let size = find_image(docker, image).await?.and_then(|image| image.size);
    Ok(size.and_then(|bytes| u64::try_from(bytes).ok()))
}

/// Memory of the engine's machine, where it tells.
pub(crate) async fn memory_bytes(docker: &Docker) -> Option<u64> {
    let total = docker.info().await.ok()?.mem_total?;
    u64::try_from(total).ok()
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
            .system(),
    }
}
