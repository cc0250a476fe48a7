//! This machine as the conformance suite sees it from outside.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    task::Poll,
};

use async_trait::async_trait;
use optimus_common::WorkerId;
use optimus_sandbox::{
    Backend, BackendError, BoxSpec,
    native::{HostPath, HostRoot, NativeBackend, Root, Roots},
    settings::NativeSettings,
};
use optimus_testkit::cgroups;

use crate::{
    conformance::{Abandoned, Host, TIMEOUT, eventually, open, shell_of},
    roles::{Holder, Place},
};

pub(crate) struct NativeHost {
    pub(crate) place: Place,
}

impl NativeHost {
    pub(crate) fn new(place: &Place) -> Self {
        Self { place: place.clone() }
    }

    pub(crate) async fn native(&self, worker: WorkerId) -> NativeBackend {
        start(&self.place, worker).await
    }

    fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.place.base)
    }
}

/// What programs of the suite use beside what every box sees.
pub(crate) fn shell_root(settings: &NativeSettings) -> HostRoot {
    let paths = settings.paths.iter().map(HostPath::same);
    let more = ["/usr/bin/perl", "/usr/bin/setsid"].map(HostPath::same);
    HostRoot {
        paths: paths.chain(more).collect(),
        packages: vec!["perl-base".to_owned()],
        path: "/usr/bin:/bin".to_owned(),
        ..HostRoot::default()
    }
}

/// Those of a worker, which waits for its boxes as long as a slow machine may need.
pub(crate) fn settings(place: &Place) -> NativeSettings {
    NativeSettings {
        cgroup: place.cgroup.clone().into(),
        allow_missing: place.allow_missing.clone(),
        start_timeout: TIMEOUT,
        ..optimus_settings::defaults_of::<NativeSettings>("native")
    }
}

/// The backend of a new worker.
pub(crate) async fn start(place: &Place, worker: WorkerId) -> NativeBackend {
    let settings = settings(place);
    let root = shell_root(&settings);
    let roots = Roots::new(move |language| match language.as_str() {
        "shell" => Ok(Root::Host(HostRoot {
            toolchain: "shell 1.0".to_owned(),
            ..root.clone()
        })),
        other => Err(format!("nobody has installed {other}")),
    });
    NativeBackend::start(&settings, roots, worker).await.unwrap()
}

pub(crate) fn shell() -> BoxSpec {
    shell_of("")
}

#[async_trait(?Send)]
impl Host for NativeHost {
    async fn backend(&self, worker: WorkerId) -> Arc<dyn Backend> {
        Arc::new(self.native(worker).await)
    }

    fn spec(&self) -> BoxSpec {
        shell()
    }

    fn missing(&self) -> BoxSpec {
        let mut missing = shell();
        missing.root.language = "cobol".parse().unwrap();
        missing
    }

    fn tells_missing(&self, error: &BackendError, spec: &BoxSpec) -> bool {
        matches!(error, BackendError::Unavailable { language, reason }
            if *language == spec.root.language && reason == "nobody has installed cobol")
    }

    /// At every point at which the making waits for something.
    async fn give_up(&self, backend: &dyn Backend, worker: &WorkerId) {
        let spec = self.spec();
        for polls in 1..=8 {
            let mut making = pin!(backend.create(&spec));
            for _ in 0..polls {
                let made = poll_fn(|cx| Poll::Ready(making.as_mut().poll(cx))).await;
                if made.is_ready() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        // Asked for after all of them, and so made after them.
        let last = open(backend, &spec).await;
        eventually("only the last one is left", async || {
            self.boxes(worker).await == 1
        })
        .await;
        last.handle().destroy().await.unwrap();
    }

    async fn abandon(&self, worker: &WorkerId) -> Abandoned {
        let holder = Holder::start(&self.place, worker, 1);
        let name = holder.boxes[0].clone();
        holder.kill_with_spawner();
        Abandoned {
            name,
            _held: Box::new(()),
        }
    }

    async fn exists(&self, name: &str) -> bool {
        cgroups::exists(&self.path(name))
    }

    async fn boxes(&self, worker: &WorkerId) -> usize {
        cgroups::boxes(&self.place.base, Some(worker.as_str())).len()
    }

    async fn kill(&self, name: &str) {
        cgroups::kill(&self.path(name));
    }
}
