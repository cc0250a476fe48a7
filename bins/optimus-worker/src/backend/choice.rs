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
    pub languages: Vec<LanguageStatus>,
    /// What becomes of those that still need something, which is made meanwhile.
    pub(super) preparing: Option<AbortOnDropHandle<Vec<LanguageStatus>>>,
}

impl Choice {
    /// Runs a program of every language that seems available, and takes back what does not run.
    pub async fn prove(&mut self, languages: &[Language], settings: &Settings) {
        prove(&*self.backend, &mut self.languages, languages, settings).await;
    }

    /// Returns when everything is prepared that can be.
    pub async fn settle(&mut self) {
        if let Some(preparing) = self.preparing.take()
            && let Ok(statuses) = preparing.await
        {
            self.languages = statuses;
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
pub struct LanguageStatus {
    pub language: LanguageName,
    /// What is there for it, as far as it is known before a box is made; else what is missing.
    pub toolchain: Result<String, String>,
}

/// Runs a program of every language that seems available, and takes back what does not run.
pub(super) async fn prove(
    backend: &dyn Backend,
    statuses: &mut [LanguageStatus],
    languages: &[Language],
    settings: &Settings,
) {
    let mut seeming: Vec<_> = statuses
        .iter_mut()
        .filter(|status| status.toolchain.is_ok())
        .filter_map(|status| {
            let language = languages
                .iter()
                .find(|language| language.name == status.language)?;
            Some((language, status))
        })
        .collect();
    let wanted = seeming.iter().map(|(language, _)| *language);
    let proved = proof::prove_all(backend, wanted, settings).await;
    for ((_, status), proved) in seeming.iter_mut().zip(proved) {
        match proved {
            Ok(Some(toolchain)) => status.toolchain = Ok(toolchain),
            // What is known of it before a box is made.
            Ok(None) => {}
            Err(reason) => status.toolchain = Err(reason),
        }
    }
}

impl fmt::Debug for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Choice")
            .field("kind", &self.kind)
            .field("why", &self.why)
            .field("languages", &self.languages)
            .finish_non_exhaustive()
    }
}
