//! What can go wrong on our side. A guest's own failures are facts, never errors.

use std::{io, path::PathBuf};

use rustix::io::Errno;

use crate::{death::Death, guest_id::GuestId};

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
    #[error("cannot {operation} a cell's control group")]
    Group {
        operation: &'static str,
        source: io::Error,
    },
    #[error("this kernel has no Landlock, or hides it")]
    NoLandlock,
    /// An init that ends by itself reports how the guest died; this one did not.
    #[error("the first process of a cell is gone before its guest: {death:?}")]
    CellLost { death: Death },
    #[error("the box has neither a control group nor UIDs of its own to tell its guests by")]
    GuestsIndistinguishable,
    #[error("processes of UID {} survive being killed", .0.as_raw())]
    GuestSurvivesKill(GuestId),
    #[error("the first process of a cell survives being killed")]
    CellSurvivesKill,
    #[error("files of UID {} cannot be removed: {reason}", guest.as_raw())]
    FilesLeft { guest: GuestId, reason: String },
}

impl CellError {
    /// Turns a failed system call into an error that says what was attempted.
    pub(crate) fn system(operation: &'static str) -> impl FnOnce(Errno) -> Self {
        move |errno| Self::System {
            operation,
            source: errno.into(),
        }
    }

    pub(crate) fn group(operation: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Group { operation, source }
    }

    pub(crate) fn counter(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Counter { what, source }
    }
}
