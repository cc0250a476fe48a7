//! The engine as the conformance suite sees it from outside.

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use bollard::{
    Docker,
    query_parameters::{InspectContainerOptions, KillContainerOptions, ListContainersOptionsBuilder},
};
use optimus_common::WorkerId;
use optimus_sandbox::{Backend, BackendError, BoxSpec, docker::DockerBackend, settings::DockerSettings};
use optimus_testkit::docker_image::{self, IMAGE};
use tokio::sync::OnceCell;

use crate::conformance::{Abandoned, Host, eventually, open, shell_of};

static IMAGE_BUILT: OnceCell<()> = OnceCell::const_new();

pub(crate) struct DockerHost {
    docker: Docker,
    settings: DockerSettings,
}

impl DockerHost {
    /// With a scope of its own, so that tests that run beside each other never take each other's boxes for orphans.
    pub(crate) async fn new() -> Self {
        let docker = Docker::connect_with_defaults().unwrap();
        IMAGE_BUILT.get_or_init(|| docker_image::build(&docker)).await;
        let mut settings = optimus_settings::defaults_of::<DockerSettings>("docker");
        settings.scope = format!("test-{}", WorkerId::new());
        Self { docker, settings }
    }
}

#[async_trait(?Send)]
impl Host for DockerHost {
    async fn backend(&self, worker: WorkerId) -> Arc<dyn Backend> {
        Arc::new(DockerBackend::connect(&self.settings, worker).await.unwrap())
    }

    fn spec(&self) -> BoxSpec {
        shell_of(IMAGE)
    }

    fn missing(&self) -> BoxSpec {
        let mut missing = self.spec();
        "optimus-test/no-such-image:latest".clone_into(&mut missing.root.image);
        missing
    }

    fn tells_missing(&self, error: &BackendError, spec: &BoxSpec) -> bool {
        matches!(error, BackendError::ImageMissing { image, language }
            if *image == spec.root.image && *language == spec.root.language)
    }

    async fn give_up(&self, backend: &dyn Backend, worker: &WorkerId) {
        let spec = self.spec();
        tokio::select! {
            biased;
            made = backend.create(&spec) => panic!("it was not given up: {made:?}"),
            () = eventually("a box is being made", async || self.boxes(worker).await == 1) => {}
        }
    }

    /// The engine cannot tell whether a worker lives.
    async fn abandon(&self, worker: &WorkerId) -> Abandoned {
        let session = open(&*self.backend(worker.clone()).await, &self.spec()).await;
        Abandoned {
            name: session.handle().name().to_owned(),
            _held: Box::new(session),
        }
    }

    async fn exists(&self, name: &str) -> bool {
        match self
            .docker
            .inspect_container(name, None::<InspectContainerOptions>)
            .await
        {
            Ok(_) => true,
            Err(bollard::errors::Error::DockerResponseServerError { status_code: 404, .. }) => false,
            Err(error) => panic!("{error}"),
        }
    }

    async fn boxes(&self, worker: &WorkerId) -> usize {
        let own = format!("optimus.worker={worker}");
        let filters = HashMap::from([("label", vec![own, "optimus.box=1".to_owned()])]);
        let options = ListContainersOptionsBuilder::new()
            .all(true)
            .filters(&filters)
            .build();
        self.docker.list_containers(Some(options)).await.unwrap().len()
    }

    async fn kill(&self, name: &str) {
        self.docker
            .kill_container(name, None::<KillContainerOptions>)
            .await
            .unwrap();
    }
}
