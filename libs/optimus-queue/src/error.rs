//! What goes wrong with a store.

use optimus_common::JobId;

/// The version of the records that are written here. A record without a version is of version 1; readers take that one and
/// this one. Raised with a change that a reader of the version before would get wrong, and only then: a field that it may
/// leave unread changes nothing for it.
pub const RECORD_VERSION: u32 = 2;

/// Why a store could not do it. None of these says that nothing happened.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Not reachable, too slow, or full. May go away by itself.
    #[error("the job store cannot take it at the moment")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A setting of the store itself that breaks the promise, found at start.
    #[error("the job store is not set up safely: {0}")]
    Misconfigured(String),
    /// A record that cannot be read back.
    #[error("the record of job {job} is damaged")]
    Damaged {
        job: JobId,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A record of a newer release, which is left as it is for a process of that release.
    #[error(
        "the record of job {job} has version {version}, and this release of Optimus knows none above \
         {RECORD_VERSION}: a newer release wrote it, and can read it"
    )]
    NewerRecord { job: JobId, version: u32 },
}
