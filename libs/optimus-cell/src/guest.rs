//! The UIDs of a box.

use std::mem::MaybeUninit;

use rustix::{
    process::{Gid, Uid},
    rand::{GetRandomFlags, getrandom},
    thread::{
        CapabilitySet, CapabilitySets, set_capabilities, set_thread_groups, set_thread_res_gid,
        set_thread_res_uid,
    },
};

use crate::error::CellError;

/// Guests' UIDs lie here: above those a distribution hands out, below those with a meaning of their own.
const LOWEST: u32 = 10_000;
const BASES: u32 = 50_000;
const MOST_RUNS: u32 = 1_000;

/// The UID, and equal GID, of one guest. Never root's and never one of the system's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuestId(u32);

impl GuestId {
    pub fn as_raw(self) -> u32 {
        self.0
    }

    pub(crate) fn uid(self) -> Uid {
        Uid::from_raw(self.0)
    }

    pub(crate) fn gid(self) -> Gid {
        Gid::from_raw(self.0)
    }
}

/// The UIDs of one box: one for the compile step, one for each run that may go on at the same time.
///
/// The first is drawn at random, so that boxes that share a kernel rarely share the kernel's per-UID counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guests {
    base: u32,
}

impl Guests {
    pub fn random() -> Result<Self, CellError> {
        let mut buffer = [MaybeUninit::uninit(); 4];
        let (bytes, _) = getrandom(&mut buffer, GetRandomFlags::empty())
            .map_err(CellError::system("draw a random UID"))?;
        let number = bytes
            .iter()
            .fold(0, |number: u32, byte| number << 8 | u32::from(*byte));
        Ok(Self {
            base: LOWEST + number % BASES,
        })
    }

    /// The set that [`base`](Self::base) names; `None` for a number that no set has.
    pub fn from_base(base: u32) -> Option<Self> {
        (LOWEST..LOWEST + BASES).contains(&base).then_some(Self { base })
    }

    pub fn base(self) -> u32 {
        self.base
    }

    pub fn compile(self) -> GuestId {
        GuestId(self.base)
    }

    /// One guest for each of `count` runs at once; fewer where more are asked for than a box has.
    pub fn runs(self, count: u32) -> Vec<GuestId> {
        (1..=count.clamp(1, MOST_RUNS))
            .map(|slot| GuestId(self.base + slot))
            .collect()
    }
}

/// Gives up root for good: groups, UID and capabilities. Allocates nothing, so it may be called after `fork`.
///
/// The ambient capabilities go with the permitted ones. The bounding set stays, as it takes a right to change it; it is
/// of no use to a process without capabilities that cannot gain any by `exec`.
pub fn become_guest(guest: GuestId) -> rustix::io::Result<()> {
    set_thread_groups(&[])?;
    set_thread_res_gid(guest.gid(), guest.gid(), guest.gid())?;
    set_thread_res_uid(guest.uid(), guest.uid(), guest.uid())?;
    let none = CapabilitySet::empty();
    set_capabilities(
        None,
        CapabilitySets {
            effective: none,
            permitted: none,
            inheritable: none,
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_guests_of_a_box_share_a_uid_and_none_is_of_the_system() {
        let guests = Guests::random().unwrap();
        let mut all = guests.runs(MOST_RUNS + 7);
        all.push(guests.compile());
        assert!(
            all.iter()
                .all(|guest| (LOWEST..=61_000).contains(&guest.as_raw()))
        );
        all.sort_by_key(|guest| guest.as_raw());
        all.dedup();
        assert_eq!(all.len(), MOST_RUNS as usize + 1);
    }

    #[test]
    fn a_base_out_of_range_is_refused() {
        for base in [0, 1, 999, LOWEST - 1, LOWEST + BASES, u32::MAX] {
            assert_eq!(Guests::from_base(base), None, "{base}");
        }
        let guests = Guests::random().unwrap();
        assert_eq!(Guests::from_base(guests.base()), Some(guests));
    }
}
