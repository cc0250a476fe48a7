//! Native boxes are made of what Linux alone has.

use optimus_common::{WorkerId, language::Language};

use super::{
    choice::{Choice, Offer},
    lack::Lack,
    survey::Survey,
};
use crate::Settings;

const REASON: &str = "native boxes need Linux";

#[expect(clippy::unused_async, reason = "as on Linux")]
pub(super) async fn start(_: &Settings, _: &[Language], _: &WorkerId) -> Result<Choice, Lack> {
    Err(Lack::Trouble(REASON.to_owned()))
}

pub fn check_allowed(_: &Settings) -> Result<(), String> {
    Ok(())
}

pub async fn survey(_: &Settings) -> Survey {
    Survey {
        layers: Vec::new(),
        trouble: Some(REASON.to_owned()),
    }
}

pub async fn host_offers(_: &Settings, languages: &[Language]) -> Vec<Offer> {
    let offer = |language: &Language| Offer {
        language: language.name.clone(),
        toolchain: Err(REASON.to_owned()),
    };
    languages.iter().map(offer).collect()
}
