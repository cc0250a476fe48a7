//! Upkeep of a store.

use async_trait::async_trait;

use crate::StoreError;

/// What keeps a store in order. Safe to run anywhere, any number of times at once.
#[async_trait]
pub trait Upkeep: Send + Sync + 'static {
    /// Returns jobs whose lease has expired to their queues after a backoff, fails those out of attempts, and cancels
    /// those for which that was asked.
    async fn reap(&self) -> Result<Reaped, StoreError>;

    /// Repairs what [`Upkeep::reap`] cannot see: records without a place in any queue and places without a record.
    /// Slow, meant for once a minute.
    async fn audit(&self) -> Result<Audited, StoreError>;

    /// Whether the store answers.
    async fn ping(&self) -> Result<(), StoreError>;
}

/// What a pass of [`Upkeep::reap`] did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reaped {
    pub requeued: u64,
    pub dead: u64,
}

/// What a pass of [`Upkeep::audit`] repaired.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Audited {
    pub requeued: u64,
    pub dropped: u64,
}
