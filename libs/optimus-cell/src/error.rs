//! What can go wrong on our side. A guest's own failures are facts, never errors.

use std::{io, path::PathBuf};

use rustix::io::Errno;

use crate::guest::GuestId;

#[derive(Debug, thiserror::Error)]
pub enum CellError {
    #[error("cannot {operation}")]
    System {
        operation: &'static str,
        source: io::Error,
    },
    #[error("cannot {operation} {}", path.display())]
    File {
        operation: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("cannot read the cgroup's count of {what}")]
    Counter { what: &'static str, source: io::Error },
    /// A step between `fork` and `exec` failed; the guest's program has not been reached.
    #[error("cannot {step} before starting a program")]
    Setup { step: &'static str, source: io::Error },
    #[error("cannot build the system call filter")]
    Filter { source: seccompiler::BackendError },
    #[error("cannot install the system call filter")]
    Confine { source: seccompiler::Error },
    #[error("processes of UID {} survive being killed", .0.as_raw())]
    Survivors(GuestId),
    #[error("files of UID {} cannot be removed: {reason}", guest.as_raw())]
    Leftover { guest: GuestId, reason: String },
}

impl CellError {
    /// Turns a failed system call into an error that says what was attempted.
    pub(crate) fn system(operation: &'static str) -> impl FnOnce(Errno) -> Self {
        move |errno| Self::System {
            operation,
            source: errno.into(),
        }
    }

    pub(crate) fn counter(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Counter { what, source }
    }
}
