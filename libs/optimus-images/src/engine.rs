//! The container engine, as far as images go.

use std::collections::HashMap;

use bollard::{
    Docker,
    errors::Error as EngineError,
    models::ImageInspect,
    query_parameters::{ListContainersOptionsBuilder, RemoveImageOptionsBuilder},
};
use optimus_sandbox::docker::{self, Reached};

use crate::error::{Error, Result};

/// An engine that has answered.
#[derive(Debug)]
pub struct Engine {
    pub(crate) docker: Docker,
    version: String,
}

impl Engine {
    /// The engine at `DOCKER_HOST`, else the local one.
    pub async fn connect() -> Result<Self> {
        let Reached { docker, version } = docker::connect().await?;
        Ok(Self { docker, version })
    }

    /// Its own version, for people.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Memory of the engine's machine, where it tells.
    pub async fn memory_bytes(&self) -> Option<u64> {
        let total = self.docker.info().await.ok()?.mem_total?;
        u64::try_from(total).ok()
    }

    /// Whether it has an image of this name.
    pub async fn has_image(&self, image: &str) -> Result<bool> {
        Ok(self.find_image(image).await?.is_some())
    }

    /// How large an image is; `None` where it is not there.
    pub async fn bytes_of(&self, image: &str) -> Result<Option<u64>> {
        let size = self.find_image(image).await?.and_then(|image| image.size);
        Ok(size.and_then(|bytes| u64::try_from(bytes).ok()))
    }

    /// A label of an image; `None` where either is not there.
    pub(crate) async fn label_of(&self, image: &str, label: &str) -> Result<Option<String>> {
        let found = self.find_image(image).await?;
        let labels = found
            .and_then(|image| image.config)
            .and_then(|config| config.labels);
        Ok(labels.and_then(|mut labels| labels.remove(label)))
    }

    async fn find_image(&self, image: &str) -> Result<Option<ImageInspect>> {
        match self.docker.inspect_image(image).await {
            Ok(found) => Ok(Some(found)),
            Err(EngineError::DockerResponseServerError { status_code: 404, .. }) => Ok(None),
            Err(error) => Err(Error::Look {
                image: image.to_owned(),
                cause: error.into(),
            }),
        }
    }

    /// The names of all containers made from this image, also of those that do not run. None where it is not there.
    pub async fn containers_of(&self, image: &str) -> Result<Vec<String>> {
        let options = ListContainersOptionsBuilder::new()
            .all(true)
            .filters(&HashMap::from([("ancestor", vec![image])]))
            .build();
        let containers = match self.docker.list_containers(Some(options)).await {
            // Some engines know no containers of an image that is not there, and say so.
            Err(EngineError::DockerResponseServerError { status_code: 404, .. }) => Vec::new(),
            listed => listed.map_err(|error| Error::Users {
                image: image.to_owned(),
                cause: error.into(),
            })?,
        };
        let names = containers
            .into_iter()
            .filter_map(|container| container.names?.into_iter().next());
        Ok(names
            .map(|name| name.trim_start_matches('/').to_owned())
            .collect())
    }

    /// Removes an image; one that is not there is removed.
    pub async fn remove_image(&self, image: &str) -> Result<()> {
        let options = RemoveImageOptionsBuilder::new().build();
        match self.docker.remove_image(image, Some(options), None).await {
            Ok(_) | Err(EngineError::DockerResponseServerError { status_code: 404, .. }) => Ok(()),
            Err(error) => Err(Error::Remove(error.into())),
        }
    }
}
