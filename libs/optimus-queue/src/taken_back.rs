//! What becomes of a running job that comes back ungraded.

use crate::{Reaped, Retry};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TakenBack {
    Requeued,
    Dead,
    Cancelled,
}

impl From<TakenBack> for Retry {
    fn from(taken_back: TakenBack) -> Self {
        match taken_back {
            TakenBack::Requeued => Self::Requeued,
            TakenBack::Dead => Self::Dead,
            TakenBack::Cancelled => Self::Cancelled,
        }
    }
}

impl Reaped {
    pub(crate) fn count(&mut self, taken_back: TakenBack) {
        match taken_back {
            TakenBack::Requeued => self.requeued += 1,
            TakenBack::Dead => self.dead += 1,
            TakenBack::Cancelled => {}
        }
    }
}
