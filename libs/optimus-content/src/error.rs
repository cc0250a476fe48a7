//! Why a store of content could not do something.

use std::error::Error;

use optimus_common::content::Digest;

#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// Not reachable, or too slow. May go away by itself.
    #[error("the content store cannot do it at the moment")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// A setting that nothing but another value mends, found at start.
    #[error("the content store is not set up rightly: {0}")]
    Misconfigured(String),
    /// All that is there is held by jobs, or was used a short while ago; or jobs hold as much as they may.
    #[error("there is no room for more content")]
    NoRoom,
    #[error("content may have at most {most} bytes")]
    TooLarge { most: u64 },
    /// What came is not what was announced.
    #[error("the bytes have the SHA-256 {found}, not {named}")]
    Differs { named: Digest, found: Digest },
    /// What is stored is not what was stored.
    #[error("the content {0} is damaged")]
    Damaged(Digest),
}

impl ContentError {
    pub fn unavailable(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Unavailable(source.into())
    }
}
