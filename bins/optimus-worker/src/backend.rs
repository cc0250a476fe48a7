//! Where boxes come from, and why from there.

use std::sync::Arc;

use clap::ValueEnum;
use optimus_common::{WorkerId, causes, language::Language};
use optimus_sandbox::{Backend, BackendError, docker::DockerBackend};

use crate::{Settings, box_spec::box_spec, settings::BackendChoice};

mod choice;
mod isolation_report;
#[cfg_attr(not(target_os = "linux"), path = "backend/elsewhere.rs")]
mod native;
mod no_native_boxes;

pub use self::{
    choice::{Choice, Kind, LanguageStatus},
    isolation_report::{IsolationLayer, IsolationReport, LayerState},
    native::{check_allowed, host_languages, probe_isolation},
    no_native_boxes::NoNativeBoxes,
};

/// [`BackendChoice`] as it is typed.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum BackendFlag {
    Auto,
    Native,
    Docker,
}

impl From<BackendFlag> for BackendChoice {
    fn from(flag: BackendFlag) -> Self {
        match flag {
            BackendFlag::Auto => Self::Auto,
            BackendFlag::Native => Self::Native,
            BackendFlag::Docker => Self::Docker,
        }
    }
}

/// Why there are no boxes.
#[derive(Debug, thiserror::Error)]
pub enum ChoiceError {
    #[error("there can be no native boxes here\n{0}\n`optimus-cli doctor` tells more")]
    Native(NoNativeBoxes),
    #[error("cannot use the container engine")]
    Docker(#[source] BackendError),
    #[error("there can be no boxes here\n{native}\ndocker: {docker}\n`optimus-cli doctor` tells more")]
    Neither { native: NoNativeBoxes, docker: String },
}

/// The backend that the settings name; Docker where they name none.
pub async fn choose(
    settings: &Settings,
    languages: &[Language],
    worker: &WorkerId,
) -> Result<Choice, ChoiceError> {
    match settings.worker.backend.unwrap_or(BackendChoice::Docker) {
        BackendChoice::Docker => docker(settings, languages, worker)
            .await
            .map_err(ChoiceError::Docker),
        BackendChoice::Native => native::start(settings, languages, worker)
            .await
            .map_err(ChoiceError::Native),
        BackendChoice::Auto => {
            let native = match native::start(settings, languages, worker).await {
                Ok(choice) => return Ok(choice),
                Err(reason) => reason,
            };
            let docker = match docker(settings, languages, worker).await {
                Ok(choice) if choice.languages.iter().any(|status| status.toolchain.is_ok()) => {
                    return Ok(Choice {
                        why: native.summary(),
                        ..choice
                    });
                }
                Ok(_) => {
                    "no language's image is there; `optimus-cli build-image --all` builds them".to_owned()
                }
                Err(error) => causes(&error),
            };
            Err(ChoiceError::Neither { native, docker })
        }
    }
}

async fn docker(
    settings: &Settings,
    languages: &[Language],
    worker: &WorkerId,
) -> Result<Choice, BackendError> {
    let backend = DockerBackend::connect(&settings.docker, worker.clone()).await?;
    let mut statuses = Vec::with_capacity(languages.len());
    for language in languages {
        let toolchain = match backend.check(&box_spec(language)).await {
            Ok(_) => Ok(format!("image {}", language.image)),
            Err(error) => Err(causes(&error)),
        };
        statuses.push(LanguageStatus {
            language: language.name.clone(),
            toolchain,
        });
    }
    Ok(Choice {
        backend: Arc::new(backend),
        kind: Kind::Docker,
        why: "asked for".to_owned(),
        languages: statuses,
        preparing: None,
    })
}
