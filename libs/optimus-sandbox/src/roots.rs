//! What a box is to have as its file system, here and now.

use std::fmt;

use async_trait::async_trait;

use crate::{backend::BackendError, spec::RootRef};

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

/// Which files a root gives, in one word: where something of them has changed, so has this.
///
/// What is the same may have several of them: that of an image is of its contents and the same everywhere, that of a host's
/// folders is of where, how large and how old their files are, and says nothing to another host.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RootDigest(String);

impl From<String> for RootDigest {
    fn from(digest: String) -> Self {
        Self(digest)
    }
}

impl fmt::Display for RootDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
