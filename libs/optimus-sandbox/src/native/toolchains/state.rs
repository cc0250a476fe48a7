//! What is known of one language's toolchain.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::{
    stamp,
    support::{Preparation, UseLock},
};
use crate::native::roots::Root;

/// How long after a failed preparation it is tried again, doubled with each further failure. A busy machine may have been the
/// reason, a full disk, or memory that others had; a script that never works costs little at such a distance.
pub(super) const FIRST_PAUSE: Duration = Duration::from_mins(1);
const LONGEST_PAUSE: Duration = Duration::from_hours(1);

/// What serves a language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toolchain {
    /// What it says of its version, in one line.
    pub version: String,
    pub root: Root,
}

#[derive(Debug, Clone)]
pub(super) enum ToolchainState {
    Ready {
        toolchain: Toolchain,
        _use_lock: Option<UseLock>,
    },
    /// Its support files are to be made first; the time is when that was begun.
    Unprepared(Toolchain, Preparation, Option<Timestamp>),
    /// Preparing it failed.
    Broken(Toolchain, Preparation, PreparationFailure),
    /// Somebody may install it.
    Missing(String),
}

/// What came of preparing a language, the last time.
#[derive(Debug, Clone)]
pub(super) struct PreparationFailure {
    pub(super) why: String,
    /// How often in a row, this one included.
    pub(super) count: u32,
    pub(super) at: Instant,
}

impl PreparationFailure {
    pub(super) fn is_due_again(&self) -> bool {
        let doubled = 2_u32.saturating_pow(self.count.saturating_sub(1));
        self.at.elapsed() >= FIRST_PAUSE.saturating_mul(doubled).min(LONGEST_PAUSE)
    }
}

impl ToolchainState {
    pub(super) fn ready(toolchain: Toolchain, in_use: Option<UseLock>) -> Self {
        Self::Ready {
            toolchain,
            _use_lock: in_use,
        }
    }

    /// Whether the host is as it was.
    pub(super) fn still_holds(&self) -> bool {
        match self {
            Self::Ready { toolchain, .. } | Self::Unprepared(toolchain, ..) | Self::Broken(toolchain, ..) => {
                match &toolchain.root {
                    Root::Host(root) => root.stamp == stamp::of(root),
                    Root::Image { folder, stamp } => folder.is_dir() && *stamp == stamp::of_image(folder),
                }
            }
            Self::Missing(_) => false,
        }
    }

    pub(super) fn is_of_image(&self) -> bool {
        let toolchain = self.toolchain();
        toolchain.is_ok_and(|toolchain| matches!(toolchain.root, Root::Image { .. }))
    }

    pub(super) fn toolchain(&self) -> Result<Toolchain, String> {
        match self {
            Self::Ready { toolchain, .. } => Ok(toolchain.clone()),
            Self::Unprepared(toolchain, _, None) => Err(format!(
                "{} is here, and is prepared for boxes once a worker starts, one language after the other",
                toolchain.version
            )),
            // The same words as long as it lasts: what is told again and again is told once.
            Self::Unprepared(toolchain, _, Some(began)) => Err(format!(
                "{} is here, and is being prepared for boxes since {}",
                toolchain.version,
                began.strftime("%FT%TZ")
            )),
            Self::Broken(toolchain, _, failure) => Err(format!(
                "{} could not be prepared, which is tried again later: {}",
                toolchain.version, failure.why
            )),
            Self::Missing(why) => Err(why.clone()),
        }
    }
}
