//! Which boxes use an image that is held in memory.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

/// One box's use of what a holder holds.
#[derive(Debug)]
pub(super) struct ImageUse {
    _of: Arc<()>,
}

/// The boxes that use what a holder holds.
#[derive(Debug, Default)]
pub(super) struct ImageUses {
    all: Arc<()>,
    /// When somebody first saw that there were none.
    none_since: Option<Instant>,
}

impl ImageUses {
    pub(super) fn begin(&mut self) -> ImageUse {
        self.none_since = None;
        ImageUse {
            _of: Arc::clone(&self.all),
        }
    }

    /// Whether nothing has used the image for so long, judging by the moments at which this was asked.
    pub(super) fn are_over(&mut self, long: Duration) -> bool {
        if Arc::strong_count(&self.all) > 1 {
            self.none_since = None;
            return false;
        }
        self.none_since.get_or_insert_with(Instant::now).elapsed() >= long
    }
}
