//! What a box is to have as its file system, here and now.

use std::fmt;

use async_trait::async_trait;

use crate::{backend::BackendError, root_digest::RootDigest, spec::RootRef};

/// Says what a root is at the moment, such as an image or folders of this host.
///
/// Nothing is to be started again when that changes, such as by an upgrade or a new image: it is asked for each box that is
/// made, and now and then for those that wait for a job.
#[async_trait]
pub trait RootProvider: fmt::Debug + Send + Sync + 'static {
    /// What boxes are made of.
    type Root;

    /// What is there now, or since a moment ago. `Err` where there is nothing of that name.
    async fn resolve(&self, root: &RootRef) -> Result<Resolved<Self::Root>, BackendError>;
}

/// A root as it is at the moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved<Root> {
    pub root: Root,
    pub digest: RootDigest,
}
