//! What a pool is to keep, and what it has.

use crate::root_digest::RootDigest;

/// What a pool keeps.
#[derive(Debug, Clone, Copy)]
pub struct PoolOptions {
    /// Boxes ready and waiting, at least 1.
    pub size: usize,
}

/// What a pool has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PoolStatus {
    /// Boxes that a job may have at once.
    pub warm: usize,
    /// Boxes on their way.
    pub starting: usize,
    /// Boxes that became ready, since the pool was started.
    pub made: u64,
    /// Boxes that could not be made, or broke while they waited for a job.
    pub failures: u64,
    /// Why the last attempt failed; none after a success.
    pub error: Option<String>,
    /// What the toolchain in the latest box says of its version, once one was ready.
    pub toolchain: Option<String>,
    /// The root that new boxes have, once one was ready. All that are warm have it.
    pub root: Option<RootDigest>,
}
