//! Room for a job's boxes.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::AcquireError;
use crate::pool::PoolClosed;

/// Places for the boxes of one job. They are given back when this is dropped.
#[derive(Debug)]
pub struct Places {
    all: Arc<Semaphore>,
    budget: usize,
    held: Option<OwnedSemaphorePermit>,
    /// Places whose boxes were handed out.
    occupied: usize,
}

impl Places {
    pub(super) fn none(all: Arc<Semaphore>, budget: usize) -> Self {
        Self {
            all,
            budget,
            held: None,
            occupied: 0,
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits)
    }

    /// Has room for so many more boxes, at once or as soon as there are as many places. While it waits it has none.
    pub(super) async fn exchange(&mut self, boxes: usize) -> Result<(), AcquireError> {
        if boxes > self.budget {
            return Err(AcquireError::TooMany {
                wanted: boxes,
                most: self.budget,
            });
        }
        if boxes <= self.count() - self.occupied {
            return Ok(());
        }
        if self.occupied > 0 {
            return Err(AcquireError::HoldsBoxes);
        }
        self.held = None;
        let wanted = u32::try_from(boxes).unwrap_or(u32::MAX);
        let held = Arc::clone(&self.all).acquire_many_owned(wanted).await;
        // Nobody closes it.
        self.held = Some(held.map_err(|_| PoolClosed)?);
        Ok(())
    }

    pub(super) fn occupy(&mut self, boxes: usize) {
        self.occupied += boxes;
    }
}
