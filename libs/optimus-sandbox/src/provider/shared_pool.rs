//! One pool that several keep.

use std::collections::HashMap;

use crate::pool::WarmPool;

/// The one pool of a specification, and who wants it.
pub(super) struct SharedPool {
    pub(super) pool: WarmPool,
    /// How many boxes each keeper wants to be warm, by the keeper's number. Never empty.
    pub(super) keepers: HashMap<u64, usize>,
}

impl SharedPool {
    pub(super) fn resize(&self) {
        if let Some(size) = self.keepers.values().max() {
            self.pool.resize(*size);
        }
    }
}
