//! Where boxes come from, and a job of two of them.

use std::{future::pending, path::Path, process::id, sync::Arc, time::Duration};

use futures_util::future::join_all;
use optimus_common::{
    WorkerId,
    language::{Language, LanguagesFile},
};
use optimus_judge::engine::{PairEngine, PairResult};
use optimus_sandbox::{
    Backend, BoxHandle,
    docker::DockerBackend,
    native::{NativeBackend, toolchains::Toolchains},
    provider::BoxProvider,
    session::Session,
    settings::{DockerSettings, Settings},
};
use optimus_testkit::{boxes::Kind, cgroups, passed_over};
use optimus_worker::joined::{self, GradeError};

use crate::parts::Part;

/// Longer than any job of these takes on a busy machine; reached only where something hangs.
const TIMEOUT: Duration = Duration::from_mins(5);

/// Bytes kept of each stream.
const KEPT: usize = 64 << 10;

/// Places for the boxes of one job, and one more.
const BUDGET: usize = 3;

/// C and Python, and where boxes of both come from.
pub(crate) struct Stage {
    languages: Vec<Language>,
    provider: BoxProvider,
}

impl Stage {
    /// `None` where a language is missing.
    pub(crate) async fn new(kind: Kind) -> Option<Self> {
        let mut languages = LanguagesFile::BuiltIn.load().unwrap().languages;
        languages.retain(|language| ["c", "python"].contains(&language.name.as_str()));
        let backend = backend(kind, &languages).await;
        for language in &languages {
            if let Err(missing) = backend.check(&Part::of(language, "").spec()).await {
                passed_over::because(&format!("this machine has no {}: {missing}", language.name));
                return None;
            }
        }
        Some(Self {
            languages,
            provider: BoxProvider::new(backend, BUDGET),
        })
    }

    pub(crate) fn language(&self, name: &str) -> &Language {
        let mut languages = self.languages.iter();
        languages.find(|language| language.name.as_str() == name).unwrap()
    }

    pub(crate) async fn grade(&self, parts: [&Part; 2]) -> Result<PairResult, GradeError> {
        self.grade_beside(parts, async |_| pending().await).await
    }

    /// Kills one of the boxes at once.
    pub(crate) async fn grade_killing(
        &self,
        place: usize,
        parts: [&Part; 2],
    ) -> Result<PairResult, GradeError> {
        self.grade_beside(parts, async |handles: [Arc<dyn BoxHandle>; 2]| {
            handles[place].destroy().await.unwrap();
            pending::<()>().await;
        })
        .await
    }

    /// Every box is gone afterwards, and every place is free.
    async fn grade_beside(
        &self,
        parts: [&Part; 2],
        beside: impl AsyncFnOnce([Arc<dyn BoxHandle>; 2]),
    ) -> Result<PairResult, GradeError> {
        let mut places = self.provider.places(1).await.unwrap();
        let specs = parts.map(Part::spec);
        let had = self.provider.acquire_all(&mut places, &specs).await.unwrap();
        let sessions = <[Session; 2]>::try_from(had).unwrap();
        let handles = sessions.each_ref().map(Session::shared_handle);
        let contents = parts.map(Part::contents);
        let planned = [0, 1].map(|place| parts[place].planned(&contents[place]));
        let graded = joined::grade(sessions, PairEngine::new(planned, KEPT), TIMEOUT);
        let result = tokio::select! {
            result = tokio::time::timeout(TIMEOUT, graded) => result.expect("the two wait for each other"),
            () = beside(handles.clone()) => unreachable!("it goes on until the two are over"),
        };
        for handle in handles {
            handle.destroy().await.unwrap();
        }
        drop(places);
        self.all_places_are_free().await;
        result
    }

    /// So many jobs at once, which do nothing in their boxes; half of them want the two the other way round.
    pub(crate) async fn many_at_once(&self, jobs: usize, parts: [&Part; 2]) {
        let jobs = (0..jobs).map(|number| {
            let mut specs = parts.map(Part::spec);
            specs.rotate_left(number % 2);
            async move {
                let mut places = self.provider.places(1).await.unwrap();
                let had = self.provider.acquire_all(&mut places, &specs).await.unwrap();
                assert_eq!((had.len(), places.count()), (2, 2));
                for session in had {
                    session.handle().destroy().await.unwrap();
                }
            }
        });
        let all = tokio::time::timeout(TIMEOUT, join_all(jobs)).await;
        all.expect("they wait for each other");
        self.all_places_are_free().await;
    }

    async fn all_places_are_free(&self) {
        let all = tokio::time::timeout(TIMEOUT, self.provider.places(BUDGET)).await;
        assert_eq!(all.unwrap().unwrap().count(), BUDGET);
    }
}

async fn backend(kind: Kind, languages: &[Language]) -> Arc<dyn Backend> {
    let worker = WorkerId::new();
    match kind {
        Kind::Container => {
            let mut settings = optimus_settings::defaults_of::<DockerSettings>("docker");
            settings.scope = format!("test-{worker}");
            Arc::new(DockerBackend::connect(&settings, worker).await.unwrap())
        }
        Kind::Native => {
            let mut settings = optimus_settings::defaults::<Settings>();
            settings.native.cgroup = format!("/{}", group()).into();
            settings.native.start_timeout = TIMEOUT;
            let data_dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("toolchains-of-host");
            settings.data_dir = data_dir.into();
            let toolchains = Toolchains::find(languages, &settings);
            let started = NativeBackend::start(&settings.native, toolchains.roots(), worker).await;
            let backend = started.unwrap();
            toolchains
                .prepare_missing(async |language, root, folder, argv| {
                    let prepared = backend.prepare(&language, &root, &folder, &argv).await;
                    prepared.map_err(|error| format!("{error:?}"))
                })
                .await;
            Arc::new(backend)
        }
    }
}

fn group() -> String {
    format!("optimus-joined-{}", id())
}

/// Removes what native boxes were made below.
pub(crate) fn clean_up() {
    if cgroups::exists(&group()) {
        cgroups::remove(&group());
    }
}
