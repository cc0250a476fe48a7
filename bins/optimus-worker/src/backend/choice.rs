//! A backend that was chosen, and which languages its boxes serve.

use std::{fmt, sync::Arc};

use optimus_common::{LanguageName, language::Language};
use optimus_sandbox::Backend;
use tokio_util::task::AbortOnDropHandle;

use crate::{Settings, proof};

/// A backend that was chosen.
pub struct Choice {
    pub backend: Arc<dyn Backend>,
    pub kind: Kind,
    /// Why this one, in a line for a person.
    pub why: String,
    /// One for each language asked for, in their order.
    pub offers: Vec<Offer>,
    /// What becomes of those that still need something, which is made meanwhile.
    pub(super) preparing: Option<AbortOnDropHandle<Vec<Offer>>>,
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

/// Runs a program of every language that is offered, and takes back what does not run.
pub(super) async fn prove(
    backend: &dyn Backend,
    offers: &mut [Offer],
    languages: &[Language],
    settings: &Settings,
) {
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
