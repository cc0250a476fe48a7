//! Where boxes come from.

use std::{process::id, sync::Arc, time::Duration};

use bollard::Docker;
use optimus_common::{WorkerId, limits::Limits};
use optimus_sandbox::{
    Backend, BoxSpec, ResourceLimits, RootRef,
    docker::DockerBackend,
    native::{HostPath, HostRoot, NativeBackend, Root, Roots},
    session::Session,
    settings::{DockerSettings, NativeSettings},
};
use optimus_testkit::{
    boxes::Kind,
    cgroups,
    docker_image::{self, IMAGE},
};
use tokio::sync::OnceCell;

use crate::program::{self, Ran};

/// Longer than any single step takes on a busy machine; reached only where something hangs.
pub(crate) const TIMEOUT: Duration = Duration::from_mins(5);

static IMAGE_BUILT: OnceCell<()> = OnceCell::const_new();

/// One worker's backend.
pub(crate) struct Place {
    pub(crate) kind: Kind,
    backend: Arc<dyn Backend>,
}

impl Place {
    pub(crate) async fn new(kind: Kind) -> Self {
        Self::with(kind, optimus_settings::defaults_of("docker")).await
    }

    /// With containers that read their image from a disk.
    pub(crate) async fn without_held_images() -> Self {
        let mut settings = optimus_settings::defaults_of::<DockerSettings>("docker");
        settings.hold_max_mb = 0;
        Self::with(Kind::Container, settings).await
    }

    async fn with(kind: Kind, mut docker_settings: DockerSettings) -> Self {
        let worker = WorkerId::new();
        let backend: Arc<dyn Backend> = match kind {
            Kind::Container => {
                let docker = Docker::connect_with_defaults().unwrap();
                IMAGE_BUILT.get_or_init(|| docker_image::build(&docker)).await;
                docker_settings.scope = format!("test-{worker}");
                Arc::new(DockerBackend::connect(&docker_settings, worker).await.unwrap())
            }
            Kind::Native => {
                let mut settings = optimus_settings::defaults_of::<NativeSettings>("native");
                settings.cgroup = format!("/{}", group()).into();
                settings.start_timeout = TIMEOUT;
                let paths: Vec<_> = settings.paths.iter().map(HostPath::same).collect();
                let roots = Roots::new(move |_| {
                    Ok(Root::Host(HostRoot {
                        paths: paths.clone(),
                        path: "/usr/bin:/bin".to_owned(),
                        toolchain: "none".to_owned(),
                        ..HostRoot::default()
                    }))
                });
                let started = NativeBackend::start(&settings, roots, worker).await;
                Arc::new(started.unwrap())
            }
        };
        Self { kind, backend }
    }

    /// Runs the program in a box of its own, once for each command.
    pub(crate) async fn run(&self, limits: Limits, commands: &[String]) -> Vec<Ran> {
        self.run_in(self.open(IMAGE, limits).await, limits, commands)
            .await
    }

    pub(crate) async fn run_in(&self, session: Session, limits: Limits, commands: &[String]) -> Vec<Ran> {
        tokio::time::timeout(TIMEOUT, program::run(session, limits, commands))
            .await
            .expect("the job hangs")
    }

    /// Makes a box; of the image, where it is a container.
    pub(crate) async fn open(&self, image: &str, limits: Limits) -> Session {
        let spec = BoxSpec::new(
            RootRef {
                language: "c".parse().unwrap(),
                image: image.to_owned(),
            },
            ResourceLimits {
                memory_bytes: limits.memory_bytes * 2,
                cpus: 1.0.into(),
                processes: 96,
                disk_bytes: 256 << 20,
                compile_disk_bytes: 256 << 20,
                open_files: 256,
            },
        );
        let live = self.backend.create(&spec).await.unwrap();
        Session::open(live, TIMEOUT).await.unwrap()
    }
}

pub(crate) fn group() -> String {
    format!("optimus-evidence-{}", id())
}

/// Removes what native boxes were made below.
pub(crate) fn clean_up() {
    if cgroups::exists(&group()) {
        cgroups::remove(&group());
    }
}
