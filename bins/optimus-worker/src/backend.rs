//! Where boxes come from, and why from there.

use std::{fmt, sync::Arc};

use clap::ValueEnum;
use optimus_common::{LanguageName, WorkerId, causes, language::Language};
use optimus_sandbox::{Backend, BackendError, docker::DockerBackend};
use tokio_util::task::AbortOnDropHandle;

use crate::{Settings, pool::box_spec, proof, settings::BackendChoice};

#[cfg_attr(not(target_os = "linux"), path = "backend/elsewhere.rs")]
mod native;
mod survey;

pub use self::{
    native::{check_allowed, host_offers, survey},
    survey::{Layer, LayerState, Survey},
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

/// A backend that was chosen.
pub struct Choice {
    pub backend: Arc<dyn Backend>,
    pub kind: Kind,
    /// Why this one, in a line for a person.
    pub why: String,
    /// One for each language asked for, in their order.
    pub offers: Vec<Offer>,
    /// What becomes of those that still need something, which is made meanwhile.
    preparing: Option<AbortOnDropHandle<Vec<Offer>>>,
}

impl Choice {
    /// Runs a program of every language that is offered, and takes back what does not run.
    pub async fn prove(&mut self, languages: &[Language], settings: &Settings) {
        prove(&*self.backend, &mut self.offers, languages, settings).await;
    }

    /// Returns when everything is prepared that can be.
    pub async fn settle(&mut self) {
        if let Some(preparing) = self.preparing.take()
            && let Ok(offers) = preparing.await
        {
            self.offers = offers;
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Docker,
    Native,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Native => "native",
        }
    }
}

/// Whether boxes of a language can be had.
#[derive(Debug, Clone)]
pub struct Offer {
    pub language: LanguageName,
    /// What is there for it, as far as it is known before a box is made; else what is missing.
    pub toolchain: Result<String, String>,
}

/// Why this host has no native boxes.
#[derive(Debug)]
pub enum Lack {
    /// Layers that are missing and must not be.
    Layers(Survey),
    /// What went wrong although no layer is missing.
    Trouble(String),
}

impl Lack {
    /// In a line.
    fn summary(&self) -> String {
        match self {
            Self::Layers(survey) => survey.summary(),
            Self::Trouble(reason) => reason.clone(),
        }
    }
}

/// With what to do about it.
impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Layers(survey) => write!(f, "{survey}"),
            Self::Trouble(reason) => f.write_str(reason),
        }
    }
}

/// Why there are no boxes.
#[derive(Debug, thiserror::Error)]
pub enum ChoiceError {
    #[error("there can be no native boxes here\n{0}\n`optimus-cli doctor` tells more")]
    Native(Lack),
    #[error("cannot use the container engine")]
    Docker(#[source] BackendError),
    #[error("there can be no boxes here\n{native}\ndocker: {docker}\n`optimus-cli doctor` tells more")]
    Neither { native: Lack, docker: String },
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
                Ok(choice) if choice.offers.iter().any(|offer| offer.toolchain.is_ok()) => {
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
    let mut offers = Vec::with_capacity(languages.len());
    for language in languages {
        let toolchain = match backend.check(&box_spec(language)).await {
            Ok(_) => Ok(format!("image {}", language.image)),
            Err(error) => Err(causes(&error)),
        };
        offers.push(Offer {
            language: language.name.clone(),
            toolchain,
        });
    }
    Ok(Choice {
        backend: Arc::new(backend),
        kind: Kind::Docker,
        why: "asked for".to_owned(),
        offers,
        preparing: None,
    })
}

/// Runs a program of every language that is offered, and takes back what does not run.
async fn prove(backend: &dyn Backend, offers: &mut [Offer], languages: &[Language], settings: &Settings) {
    let mut seeming: Vec<_> = offers
        .iter_mut()
        .filter(|offer| offer.toolchain.is_ok())
        .filter_map(|offer| {
            let language = languages
                .iter()
                .find(|language| language.name == offer.language)?;
            Some((language, offer))
        })
        .collect();
    let wanted = seeming.iter().map(|(language, _)| *language);
    let proved = proof::prove_all(backend, wanted, settings).await;
    for ((_, offer), proved) in seeming.iter_mut().zip(proved) {
        match proved {
            Ok(Some(toolchain)) => offer.toolchain = Ok(toolchain),
            // What is known of it before a box is made.
            Ok(None) => {}
            Err(reason) => offer.toolchain = Err(reason),
        }
    }
}

impl fmt::Debug for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Choice")
            .field("kind", &self.kind)
            .field("why", &self.why)
            .field("offers", &self.offers)
            .finish_non_exhaustive()
    }
}
