//! Native boxes: what this host lacks for them, and which languages its toolchains serve.

use std::sync::Arc;

use optimus_common::{WorkerId, language::Language, settings::Settings};
use optimus_sandbox::native::{
    NativeBackend,
    layers::{self, Proof, State},
    toolchains::Toolchains,
};
use tracing::info;

use super::{Choice, Kind, Lack, Layer, LayerState, Offer, Survey};
use crate::job::causes;

/// Boxes of this host, where every layer of them is proved or allowed to be missing.
pub(super) async fn start(
    settings: &Settings,
    languages: &[Language],
    worker: &WorkerId,
) -> Result<Choice, Lack> {
    let (survey, toolchains) = tokio::join!(survey(settings), find(settings, languages));
    if !survey.is_enough() {
        return Err(Lack::Layers(survey));
    }
    let toolchains = toolchains?;
    let backend = NativeBackend::start(&settings.native, toolchains.roots(), worker.clone())
        .await
        .map_err(|error| Lack::Trouble(causes(&error)))?;
    let backend = Arc::new(backend);
    toolchains
        .prepare_missing(|language, root, folder, argv| {
            info!(%language, "preparing what its boxes need; this is done once");
            let backend = Arc::clone(&backend);
            async move {
                backend
                    .prepare(root, &folder, &argv)
                    .await
                    .map_err(|error| causes(&error))
            }
        })
        .await;
    Ok(Choice {
        backend,
        kind: Kind::Native,
        why: survey.summary(),
        offers: offers(&toolchains),
    })
}

/// Tries every layer of isolation.
pub async fn survey(settings: &Settings) -> Survey {
    todo!()
}

/// What the toolchains of this host serve.
pub async fn host_offers(settings: &Settings, languages: &[Language]) -> Vec<Offer> {
    todo!()
}

/// Asks the toolchains for their versions, which some need a while for.
async fn find(settings: &Settings, languages: &[Language]) -> Result<Toolchains, Lack> {
    let (settings, languages) = (settings.clone(), languages.to_vec());
    tokio::task::spawn_blocking(move || Toolchains::find(&languages, &settings))
        .await
        .map_err(|panic| Lack::Trouble(causes(&panic)))
}

fn offers(toolchains: &Toolchains) -> Vec<Offer> {
    let found = toolchains.list().into_iter();
    found
        .map(|found| Offer {
            language: found.language,
            toolchain: found.outcome.map(|toolchain| toolchain.version),
        })
        .collect()
}
