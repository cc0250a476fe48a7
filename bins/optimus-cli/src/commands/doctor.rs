//! `doctor`.
use crate::{
    args::Doctor,
    exit::{Exit, Failure},
    output::Output,
};
use std::path::Path;
#[allow(clippy::unused_async)]
pub(crate) async fn run(_: Doctor, _: Option<&Path>, _: &Output) -> Result<Exit, Failure> {
    Ok(Exit::NoBoxes)
}
