//! The handlers, by what they are about.

pub(crate) mod blobs;
pub(crate) mod events;
pub(crate) mod health;
pub(crate) mod installation;
pub(crate) mod jobs;
