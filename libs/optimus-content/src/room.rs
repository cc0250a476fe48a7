//! How much of the store's room is taken.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes as they count.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Taken {
    /// Other processes may add to it; each looks anew at every upkeep.
    pub(crate) kept: u64,
    /// On its way here, in this process.
    incoming: u64,
    /// On its way here in other processes, when this one looked.
    pub(crate) elsewhere: u64,
}

impl Taken {
    pub(crate) fn total(&self) -> u64 {
        self.kept + self.on_its_way()
    }

    pub(crate) fn on_its_way(&self) -> u64 {
        self.incoming + self.elsewhere
    }
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Room(Arc<Mutex<Taken>>);

impl Room {
    fn taken_mut(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn taken(&self) -> Taken {
        *self.taken_mut()
    }

    pub(crate) fn set_kept(&self, bytes: u64) {
        self.taken_mut().kept = bytes;
    }

    pub(crate) fn set_elsewhere(&self, bytes: u64) {
        self.taken_mut().elsewhere = bytes;
    }

    pub(crate) fn removed(&self, bytes: u64) {
        let mut taken = self.taken_mut();
        taken.kept = taken.kept.saturating_sub(bytes);
    }

    /// For content on its way, of which nothing has come yet.
    pub(crate) fn share(&self) -> Share {
        Share {
            room: self.clone(),
            bytes: 0,
        }
    }
}

/// What is set aside for content on its way; given back when it is dropped.
///
/// It must be owned by whoever does what it was taken for, also where that goes on in a task nobody waits for any more.
#[derive(Debug)]
pub(crate) struct Share {
    room: Room,
    bytes: u64,
}

impl Share {
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes more, where all together is no more than `bound` then.
    pub(crate) fn grow(&mut self, more: u64, bound: u64) -> bool {
        let mut taken = self.room.taken_mut();
        let fits = taken.total() + more <= bound;
        if fits {
            taken.incoming += more;
            self.bytes += more;
        }
        fits
    }

    /// What it was for is kept.
    pub(crate) fn keep(mut self) {
        let mut taken = self.room.taken_mut();
        taken.incoming -= self.bytes;
        taken.kept += self.bytes;
        drop(taken);
        self.bytes = 0;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.room.taken_mut().incoming -= self.bytes;
    }
}
