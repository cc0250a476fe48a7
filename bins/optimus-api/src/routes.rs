//! The handlers, by what they are about.

pub(crate) mod jobs;
pub(crate) mod openapi;
pub(crate) mod state;
pub(crate) mod status;
