//! Native boxes. (waits for the backend)
use super::Choice;
use optimus_common::{WorkerId, language::Language, settings::Settings};
#[allow(clippy::unused_async)]
pub(super) async fn start(_: &Settings, _: &[Language], _: &WorkerId) -> Result<Choice, String> {
    Err("waits for its backend".to_owned())
}
