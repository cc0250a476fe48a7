//! Native boxes are made of what Linux alone has.

use optimus_common::{WorkerId, language::Language};

use super::{
    choice::{Choice, LanguageStatus},
    isolation_report::IsolationReport,
    no_native_boxes::NoNativeBoxes,
};
use crate::Settings;

const REASON: &str = "native boxes need Linux";

#[expect(clippy::unused_async, reason = "as on Linux")]
pub(super) async fn start(_: &Settings, _: &[Language], _: &WorkerId) -> Result<Choice, NoNativeBoxes> {
    Err(NoNativeBoxes::Failed(REASON.to_owned()))
}

pub fn check_allowed(_: &Settings) -> Result<(), String> {
    Ok(())
}

pub async fn probe_isolation(_: &Settings) -> IsolationReport {
    IsolationReport {
        layers: Vec::new(),
        trouble: Some(REASON.to_owned()),
    }
}

pub async fn host_languages(_: &Settings, languages: &[Language]) -> Vec<LanguageStatus> {
    let status = |language: &Language| LanguageStatus {
        language: language.name.clone(),
        toolchain: Err(REASON.to_owned()),
    };
    languages.iter().map(status).collect()
}
