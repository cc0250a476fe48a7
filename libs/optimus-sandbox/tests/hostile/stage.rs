//! A backend under attack, with everything that is watched around it.

use std::{
    collections::BTreeSet,
    env,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use optimus_common::{
    LanguageName, WorkerId,
    data_dir::DataDir,
    language::{Language, LanguagesFile},
};
use optimus_judge::{
    plan::usual_box_memory_bytes,
    settings::{LimitSettings, ResultSettings},
};
use optimus_sandbox::{
    Backend, BackendError, BoxSpec, ResourceLimits, RootRef,
    docker::DockerBackend,
    native::{NativeBackend, toolchains::Toolchains},
    session::Session,
    settings::{self, DockerSettings, NativeSettings},
};
use serde::Deserialize;
use tokio::sync::{RwLock, RwLockReadGuard};

use crate::{
    canaries::Canaries,
    case::Case,
    languages,
    neighbour::Neighbour,
    outside::{
        Outside,
        docker::Containers,
        kernel_memory::{self, KernelMemory},
        native::Host,
    },
    place::place,
};

/// Cases between two moments of rest, at which everything outside must be as it was.
const WAVE: usize = 12;

/// As a worker has it: what the agent needs in a box beside the guest.
const AGENT_PROCESSES: u32 = 16;

/// The kinds of boxes that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Docker,
    Native,
}

impl Kind {
    pub(crate) const ALL: [Self; 2] = [Self::Docker, Self::Native];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Native => "native",
        }
    }
}

/// One backend, and who has been attacked on it.
pub(crate) struct Stage {
    pub(crate) kind: Kind,
    pub(crate) settings: Settings,
    pub(crate) canaries: Arc<Canaries>,
    pub(crate) outside: Outside,
    kernel_memory: KernelMemory,
    /// Languages of which there was a box.
    opened: Mutex<BTreeSet<LanguageName>>,
    backend: Arc<dyn Backend>,
    languages: Vec<Language>,
    /// Held by cases that run; whoever gets all of it has the backend at rest.
    gate: RwLock<()>,
    wave: Mutex<Wave>,
}

/// What went on since the last rest.
#[derive(Default)]
struct Wave {
    neighbour: Option<Arc<Neighbour>>,
    cases: BTreeSet<String>,
}

/// Leave to use a stage.
pub(crate) struct Entry<'a> {
    _open: RwLockReadGuard<'a, ()>,
    pub(crate) neighbour: Arc<Neighbour>,
}

impl Stage {
    pub(crate) async fn docker(canaries: Arc<Canaries>) -> Self {
        let worker = WorkerId::new();
        let mut settings = suite_settings();
        // A scope of its own, so that nobody takes its boxes for orphans.
        settings.docker.scope = format!("hostile-{worker}");
        let backend = DockerBackend::connect(&settings.docker, worker)
            .await
            .unwrap_or_else(|error| panic!("the suite needs a container engine: {error:?}"));
        let outside = Outside::Containers(Containers::new(&settings.docker.scope));
        Self::new(Kind::Docker, settings, canaries, Arc::new(backend), outside)
    }

    pub(crate) async fn native(canaries: Arc<Canaries>) -> Self {
        let mut settings = native_settings();
        // What was prepared is found again by the next run, as in production.
        let data_dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("toolchains-of-host");
        settings.data_dir = data_dir.into();
        let toolchains = Toolchains::find(&languages::all(), &settings.boxes());
        let start = async {
            let backend = NativeBackend::start(&settings.native, toolchains.roots(), WorkerId::new())
                .await
                .unwrap_or_else(|error| panic!("the suite needs what native boxes need: {error}"));
            toolchains
                .prepare_missing(async |language, root, folder, argv| {
                    let prepared = backend.prepare(&language, &root, &folder, &argv).await;
                    prepared.map_err(|error| format!("{error:?}"))
                })
                .await;
            backend
        };
        let backend = Arc::new(kernel_memory::grow_with(start).await);
        let outside = Outside::Host(Host::watch(place(), Arc::clone(&backend)).await);
        Self::new(Kind::Native, settings, canaries, backend, outside)
    }

    pub(crate) fn new(
        kind: Kind,
        settings: Settings,
        canaries: Arc<Canaries>,
        backend: Arc<dyn Backend>,
        outside: Outside,
    ) -> Self {
        Self {
            kind,
            settings,
            canaries,
            outside,
            kernel_memory: KernelMemory::watch(),
            opened: Mutex::default(),
            backend,
            languages: languages::all(),
            gate: RwLock::default(),
            wave: Mutex::default(),
        }
    }

    pub(crate) fn language(&self, name: &str) -> &Language {
        self.languages
            .iter()
            .find(|language| language.name.as_str() == name)
            .unwrap_or_else(|| panic!("there is no language {name}"))
    }

    /// Why this host has no boxes of a language. What only an image offers must be there.
    pub(crate) async fn lacks(&self, language: &str) -> Option<String> {
        let spec = box_spec(self.language(language));
        match self.backend.check(&spec).await {
            Err(BackendError::Unavailable { reason, .. }) => Some(reason),
            Ok(_) | Err(_) => None,
        }
    }

    /// A box as a worker keeps it warm, with as much memory as a job needs.
    pub(crate) async fn open(&self, language: &Language, memory_bytes: u64) -> Result<Session, String> {
        let spec = box_spec(language);
        let open = async {
            let creating = self.backend.create(&spec);
            let first =
                { self.opened.lock().unwrap_or_else(PoisonError::into_inner) }.insert(language.name.clone());
            let live = if first {
                kernel_memory::grow_with(creating).await
            } else {
                creating.await
            };
            let live = live.map_err(|error| format!("{error:?}"))?;
            self.outside.note(live.handle.name()).await;
            if memory_bytes > spec.resources.memory_bytes {
                let grown = live.handle.grow_memory(memory_bytes).await;
                grown.map_err(|error| format!("{error:?}"))?;
            }
            Session::open(live, step_timeout())
                .await
                .map_err(|error| format!("{error:?}"))
        };
        open.await.map_err(|error| format!("no box can be made: {error}"))
    }

    /// Sees that what is made for the first box of a language is there.
    pub(crate) async fn prepare(&self, language: &str) -> Result<(), String> {
        let language = self.language(language);
        let session = self.open(language, 0).await?;
        let name = session.handle().name().to_owned();
        let destroyed = session.handle().destroy().await;
        destroyed.map_err(|error| format!("{error:?}"))?;
        self.outside.gone(&name).await
    }

    /// Takes part in a wave.
    pub(crate) async fn enter(self: &Arc<Self>, case: &Case) -> Entry<'_> {
        let open = self.gate.read().await;
        let mut wave = self.wave();
        wave.cases.insert(case.full_name());
        let neighbour = wave
            .neighbour
            .get_or_insert_with(|| Arc::new(Neighbour::move_in(Arc::clone(self))));
        Entry {
            _open: open,
            neighbour: Arc::clone(neighbour),
        }
    }

    /// Comes to rest where a wave is full.
    pub(crate) async fn settle_sometimes(&self) -> Result<(), String> {
        if self.wave().cases.len() < WAVE {
            return Ok(());
        }
        self.settle().await
    }

    /// Waits until nobody uses this stage, and then looks whether everything outside is as it was at its start.
    pub(crate) async fn settle(&self) -> Result<(), String> {
        let _rest = self.gate.write().await;
        let Wave { neighbour, cases } = std::mem::take(&mut *self.wave());
        let checked = async {
            if let Some(neighbour) = neighbour {
                neighbour.move_out().await?;
            }
            self.canaries.untouched()?;
            self.outside.is_as_it_was().await?;
            self.kernel_memory.is_as_it_was().await
        };
        checked.await.map_err(|problem| {
            let cases: Vec<_> = cases.into_iter().collect();
            format!("after one of {}: {problem}", cases.join(", "))
        })
    }

    fn wave(&self) -> MutexGuard<'_, Wave> {
        self.wave.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Of native boxes of this process.
pub(crate) fn native_settings() -> Settings {
    let mut settings = suite_settings();
    place().enter_into(&mut settings.native);
    settings
}

/// Leaves nothing of native boxes.
pub(crate) fn leave() {
    place().leave(step_timeout() / 4);
}

/// What the suite reads of the settings.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Settings {
    languages_file: LanguagesFile,
    data_dir: DataDir,
    docker: DockerSettings,
    pub(crate) native: NativeSettings,
    pub(crate) limits: LimitSettings,
    pub(crate) results: ResultSettings,
}

impl Settings {
    fn boxes(&self) -> settings::Settings {
        settings::Settings {
            languages_file: self.languages_file.clone(),
            data_dir: self.data_dir.clone(),
            native: self.native.clone(),
        }
    }
}

fn suite_settings() -> Settings {
    let mut settings = optimus_settings::defaults::<Settings>();
    settings.languages_file = LanguagesFile::BuiltIn;
    settings.native.start_timeout = step_timeout();
    settings
}

/// Longer than any one step takes on a busy machine; reached only where something hangs. Where limits of time are made longer, the
/// jobs under them take longer, but what hangs is to be told before whoever runs the suite gives up.
pub(crate) fn step_timeout() -> Duration {
    const LONGEST: Duration = Duration::from_mins(10);
    let factor = u32::try_from(time_factor()).unwrap_or(u32::MAX);
    Duration::from_mins(2).saturating_mul(factor).min(LONGEST)
}

/// Limits of time are so many times longer, for machines that are slower than any real one.
pub(crate) fn time_factor() -> u64 {
    env::var("OPTIMUS_HOSTILE_TIME_FACTOR")
        .ok()
        .and_then(|factor| factor.parse().ok())
        .unwrap_or(1)
}

fn box_spec(language: &Language) -> BoxSpec {
    let resources = &language.resources;
    BoxSpec {
        runtime: resources.runtime.clone(),
        ..BoxSpec::new(
            RootRef::from(language),
            ResourceLimits {
                memory_bytes: usual_box_memory_bytes(language),
                cpus: language.cpu_limit.into(),
                processes: resources.processes + AGENT_PROCESSES,
                disk_bytes: resources.disk_mb << 20,
                compile_disk_bytes: resources.compile_disk_bytes(),
                open_files: resources.open_files,
            },
        )
    }
}
