//! How much of the store's room is taken.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// So many processes may share a store and exceed its bound by no more than what is on its way to it: each looks anew when it has
/// added such a part of what was left.
const SHARERS: u64 = 8;

/// The least part of the bound for which it does: looking takes time.
const LEAST_PART: u64 = 256;

/// Bytes as they count.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Taken {
    /// Other processes may add to it.
    pub(crate) kept: u64,
    /// What this process has begun to add since it looked.
    added: u64,
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
        let mut taken = self.taken_mut();
        taken.kept = bytes;
        taken.added = 0;
    }

    /// Whether others may have added so much meanwhile that all together is more than `bound`.
    pub(crate) fn is_to_be_looked_at(&self, bound: u64) -> bool {
        let taken = self.taken();
        let left = bound.saturating_sub(taken.total()) + taken.added;
        taken.added > (left / SHARERS).max(bound / LEAST_PART)
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
            taken.added += more;
            self.bytes += more;
        }
        fits
    }

    /// The content that it was taken for is kept, so its bytes count as kept from now on.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_as_may_share_a_store_do_not_exceed_its_bound() {
        const BOUND: u64 = 100_000;
        let rooms: Vec<_> = (0..SHARERS).map(|_| Room::default()).collect();
        let (mut kept, mut looks) = (0, 0);
        'filling: loop {
            for room in &rooms {
                if room.is_to_be_looked_at(BOUND) {
                    room.set_kept(kept);
                    looks += 1;
                }
                let mut share = room.share();
                if !share.grow(50, BOUND) {
                    break 'filling;
                }
                share.keep();
                kept += 50;
            }
        }
        let part = BOUND / LEAST_PART + 50;
        assert!(kept <= BOUND + SHARERS * part, "{kept}");
        assert!(kept >= BOUND - SHARERS * part, "{kept}");
        assert!(looks < 500, "{looks}");
    }
}
