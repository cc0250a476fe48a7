//! Why a job has no boxes.

use crate::pool::{PoolClosed, StartError};

/// Why a job has no boxes.
#[derive(Debug, thiserror::Error)]
pub enum AcquireError {
    /// Waiting would not help.
    #[error("the job needs {wanted} boxes at once, and there may be {most}")]
    TooMany { wanted: usize, most: usize },
    /// It would hold what others wait for while it waits for what they hold.
    #[error("a job that has boxes already does not wait for more")]
    HoldsBoxes,
    #[error(transparent)]
    Closed(#[from] PoolClosed),
    #[error(transparent)]
    Start(#[from] StartError),
}
