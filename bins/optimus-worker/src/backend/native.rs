//! Native boxes: what this host lacks for them, and which languages its toolchains serve.

use std::{
    error::Error,
    sync::{Arc, Weak},
    time::Duration,
};

use optimus_common::{WorkerId, causes, language::Language};
use optimus_sandbox::native::{
    NativeBackend, NativeError,
    layers::{self, LayerReport, LayerState as ProbedState},
    toolchains::Toolchains,
};
use optimus_service::supervise::{supervise, supervise_at_most};
use tokio::task::JoinError;
use tokio_util::task::AbortOnDropHandle;
use tracing::{info, warn};

use super::{
    choice::{Choice, Kind, LanguageStatus, prove},
    isolation_report::{IsolationLayer, IsolationReport, LayerState},
    no_native_boxes::NoNativeBoxes,
};
use crate::Settings;

/// Boxes of this host, where every layer of them is proved or allowed to be missing.
pub(super) async fn start(
    settings: &Settings,
    languages: &[Language],
    worker: &WorkerId,
) -> Result<Choice, NoNativeBoxes> {
    let (toolchains, backend) = open(settings, languages, worker).await?;
    Ok(Choice {
        kind: Kind::Native,
        why: told(backend.layers(), settings).summary(),
        languages: statuses(&toolchains),
        preparing: Some(AbortOnDropHandle::new(tokio::spawn(prepare(
            toolchains,
            Arc::clone(&backend),
        )))),
        backend,
    })
}

async fn open(
    settings: &Settings,
    languages: &[Language],
    worker: &WorkerId,
) -> Result<(Toolchains, Arc<NativeBackend>), NoNativeBoxes> {
    let toolchains = find(settings, languages)
        .await
        .map_err(|error| NoNativeBoxes::Failed(causes(&error)))?;
    let backend = match NativeBackend::start(&settings.native, toolchains.roots(), worker.clone()).await {
        Ok(backend) => Arc::new(backend),
        Err(error) => {
            // It stops at the first layer that is missing; all of them are told.
            if matches!(error, NativeError::LayerMissing { .. }) {
                let report = probe_isolation(settings).await;
                if !report.is_enough() {
                    return Err(NoNativeBoxes::LayersMissing(report));
                }
            }
            return Err(NoNativeBoxes::Failed(causes(&error)));
        }
    };
    Ok((toolchains, backend))
}

/// How often it is looked whether a backend is still there that languages are to be prepared for, and whether one that could
/// not be prepared is to be tried again.
const WATCHED: Duration = Duration::from_mins(1);

/// How often preparing may break by a fault of ours before it is given up: `grade` waits for it.
const ATTEMPTS: u32 = 3;

/// Prepares what was never prepared here. Pools of these languages have no boxes until then. What is found later, since it
/// was added or its toolchain has changed, is prepared then.
async fn prepare(toolchains: Toolchains, backend: Arc<NativeBackend>) -> Vec<LanguageStatus> {
    // Where it is given up, which is told, the languages that are left are not available, and are tried again below.
    let _ = supervise_at_most(ATTEMPTS, "preparing languages", || {
        prepare_missing(toolchains.clone(), Arc::clone(&backend))
    })
    .await;
    let statuses = statuses(&toolchains);
    let backend = Arc::downgrade(&backend);
    tokio::spawn(supervise("preparing what is found later", move || {
        keep_preparing(toolchains.clone(), Weak::clone(&backend))
    }));
    statuses
}

async fn keep_preparing(toolchains: Toolchains, backend: Weak<NativeBackend>) {
    while backend.strong_count() > 0 {
        // Found, or only later: what has failed becomes due without a word.
        let _ = tokio::time::timeout(WATCHED, toolchains.unprepared()).await;
        if let Some(backend) = backend.upgrade() {
            prepare_missing(toolchains.clone(), backend).await;
        }
    }
}

async fn prepare_missing(toolchains: Toolchains, backend: Arc<NativeBackend>) {
    toolchains
        .prepare_missing(|language, root, folder, argv| {
            let backend = Arc::clone(&backend);
            async move {
                info!(%language, "preparing what its boxes need; this is done once");
                let name = language.clone();
                let prepared =
                    outcome(async move { backend.prepare(&name, &root, &folder, &argv).await }).await;
                if let Err(error) = &prepared {
                    warn!(%language, error, "not prepared");
                }
                prepared
            }
        })
        .await;
}

/// What became of preparing one language. Where it broke, so is the language, as where it failed: the others must not wait.
async fn outcome<Failed>(
    preparing: impl Future<Output = Result<(), Failed>> + Send + 'static,
) -> Result<(), String>
where
    Failed: Error + Send + 'static,
{
    match AbortOnDropHandle::new(tokio::spawn(preparing)).await {
        Ok(prepared) => prepared.map_err(|error| causes(&error)),
        Err(panic) => Err(format!("a fault of Optimus: {}", causes(&panic))),
    }
}

/// Fails where `native.allow_missing` names what is no layer, or one that boxes cannot do without.
pub fn check_allowed(settings: &Settings) -> Result<(), String> {
    layers::allowed(&settings.native)
        .map(drop)
        .map_err(|error| causes(&error))
}

/// Tries every layer of isolation.
pub async fn probe_isolation(settings: &Settings) -> IsolationReport {
    match layers::probe_host(&settings.native).await {
        Ok(reports) => told(&reports, settings),
        Err(error) => IsolationReport {
            layers: Vec::new(),
            trouble: Some(causes(&error)),
        },
    }
}

fn told(reports: &[LayerReport], settings: &Settings) -> IsolationReport {
    let allowed = &settings.native.allow_missing;
    let layer = |LayerReport { layer, state }: &LayerReport| {
        let name = layer.name();
        let (state, detail, remedy) = match state.clone() {
            ProbedState::Proved { detail } => (LayerState::Proved, detail, None),
            ProbedState::Missing { reason, remedy } if allowed.iter().any(|allowed| allowed == name) => {
                (LayerState::Allowed, reason, Some(remedy))
            }
            ProbedState::Missing { reason, remedy } => (LayerState::Missing, reason, Some(remedy)),
        };
        IsolationLayer {
            name: name.to_owned(),
            stops: layer.stops().to_owned(),
            state,
            detail,
            remedy,
        }
    };
    IsolationReport {
        layers: reports.iter().map(layer).collect(),
        trouble: None,
    }
}

/// What the toolchains of this host serve: where there can be boxes, what has run in one.
pub async fn host_languages(settings: &Settings, languages: &[Language]) -> Vec<LanguageStatus> {
    // Trying every layer takes a large future.
    if let Ok((toolchains, backend)) = Box::pin(open(settings, languages, &WorkerId::new())).await {
        let mut statuses = statuses(&toolchains);
        prove(&*backend, &mut statuses, languages, settings).await;
        return statuses;
    }
    match find(settings, languages).await {
        Ok(toolchains) => statuses(&toolchains),
        Err(panic) => {
            let status = |language: &Language| LanguageStatus {
                language: language.name.clone(),
                toolchain: Err(causes(&panic)),
            };
            languages.iter().map(status).collect()
        }
    }
}

/// Asks the toolchains for their versions, which some need a while for.
async fn find(settings: &Settings, languages: &[Language]) -> Result<Toolchains, JoinError> {
    let (settings, languages) = (settings.boxes(), languages.to_vec());
    tokio::task::spawn_blocking(move || Toolchains::find(&languages, &settings)).await
}

fn statuses(toolchains: &Toolchains) -> Vec<LanguageStatus> {
    let found = toolchains.list().into_iter();
    found
        .map(|found| LanguageStatus {
            language: found.language,
            toolchain: found.outcome.map(|toolchain| toolchain.version),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, io, task::Poll};

    use super::*;

    #[tokio::test]
    async fn a_preparation_that_breaks_is_one_that_fails() {
        let breaks = poll_fn(|_| -> Poll<io::Result<()>> { panic!("as asked for") });
        let reason = outcome(breaks).await.unwrap_err();
        assert!(reason.contains("as asked for"), "{reason}");
        let fails = async { Err(io::Error::other("no room")) };
        assert_eq!(outcome(fails).await.unwrap_err(), "no room");
        assert_eq!(outcome(async { io::Result::Ok(()) }).await, Ok(()));
    }

    #[test]
    fn a_layer_that_may_be_missing_is_told_and_stops_nothing() {
        let missing = |layer| LayerReport {
            layer,
            state: ProbedState::Missing {
                reason: "it is not there".to_owned(),
                remedy: "get it".to_owned(),
            },
        };
        let reports = [
            missing(layers::Layer::Landlock),
            missing(layers::Layer::GuestUids),
        ];
        let mut settings = Settings::defaults();
        let report = told(&reports, &settings);
        assert!(!report.is_enough());
        assert_eq!(
            report.to_string(),
            "landlock is missing: it is not there. get it\nguest-uids is missing: it is not there. get it"
        );

        settings.native.allow_missing = vec!["landlock".to_owned()];
        let report = told(&reports, &settings);
        assert_eq!(report.summary(), "this host lacks guest-uids (it is not there)");

        settings.native.allow_missing.push("guest-uids".to_owned());
        let report = told(&reports, &settings);
        assert!(report.is_enough());
        assert!(
            report
                .summary()
                .starts_with("every layer but the allowed landlock")
        );
    }
}
