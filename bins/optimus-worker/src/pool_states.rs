//! What all pools of a worker are doing.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::pool_state::PoolState;

/// What the heartbeat tells of the pools, and metrics show.
#[derive(Debug, Clone, Default)]
pub(crate) struct PoolStates {
    states: Arc<Mutex<Vec<Arc<PoolState>>>>,
    /// Notified when a pool became available or unavailable.
    pub(crate) changed: Arc<Notify>,
}

impl PoolStates {
    pub(crate) fn current(&self) -> MutexGuard<'_, Vec<Arc<PoolState>>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
