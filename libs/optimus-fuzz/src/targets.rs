//! One module for each target.

pub(crate) mod box_frames;
pub(crate) mod checkers;
mod frames;
pub(crate) mod languages;
pub(crate) mod package;
pub(crate) mod processes;
pub(crate) mod request;
pub(crate) mod submission;
pub(crate) mod worker_frames;
