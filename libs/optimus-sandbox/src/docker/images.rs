//! Images as roots of boxes.

use std::time::Duration;

use async_trait::async_trait;
use bollard::Docker;

use super::calls::status;
use crate::{
    backend::BackendError,
    root_digest::RootDigest,
    roots::{Resolved, RootProvider},
    spec::RootRef,
};

/// The images of one engine.
#[derive(Debug)]
pub(super) struct Images {
    docker: Docker,
    timeout: Duration,
}

/// An image by its id, which stays its own when its name becomes another one's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ImageId(pub(super) String);

impl Images {
    /// An answer of the engine may take so long.
    pub(super) fn new(docker: Docker, timeout: Duration) -> Self {
        Self { docker, timeout }
    }
}

#[async_trait]
impl RootProvider for Images {
    type Root = ImageId;

    async fn resolve(&self, root: &RootRef) -> Result<Resolved<ImageId>, BackendError> {
        const OPERATION: &str = "look for the image";
        let asking = self.docker.inspect_image(&root.image);
        let answer = tokio::time::timeout(self.timeout, asking)
            .await
            .map_err(|_| BackendError::timed_out(OPERATION, self.timeout))?;
        match answer {
            Ok(about) => match about.id {
                Some(id) => Ok(Resolved {
                    digest: RootDigest::from(id.clone()),
                    root: ImageId(id),
                }),
                None => Err(BackendError::engine(OPERATION, "the engine tells no id of it")),
            },
            Err(error) if status(&error) == Some(404) => Err(missing(root)),
            Err(error) => Err(BackendError::engine(OPERATION, error)),
        }
    }
}

pub(super) fn missing(root: &RootRef) -> BackendError {
    BackendError::ImageMissing {
        image: root.image.clone(),
        language: root.language.clone(),
    }
}
