//! The UIDs of a box.

use std::mem::MaybeUninit;

use optimus_common::box_layout::TMP_DIR;
use rustix::{
    process::getuid,
    rand::{GetRandomFlags, getrandom},
    thread::{
        CapabilitySet, CapabilitySets, set_capabilities, set_thread_groups, set_thread_res_gid,
        set_thread_res_uid,
    },
};

use crate::{
    box_resources::{FIRST_GUEST, GuestUids},
    error::CellError,
    guest_id::{GUEST_NAME, GuestId},
};

/// Guests' UIDs lie from [`FIRST_GUEST`] on: above those a distribution hands out, below those with a meaning of their
/// own.
const BASES: u32 = 50_000;
const MOST_RUNS: u32 = 1_000;

/// The UIDs of one box: one for the compile step, one for each run that may go on at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guests {
    compile: u32,
    /// Of the first run. The others' follow, unless it is the compile step's.
    runs: u32,
    most_runs: u32,
}

impl Guests {
    /// For a box whose UIDs are those of its host. The first is drawn at random, so that boxes that share a kernel
    /// rarely share the kernel's per-UID counters.
    pub fn random() -> Result<Self, CellError> {
        let mut buffer = [MaybeUninit::uninit(); 4];
        let (bytes, _) = getrandom(&mut buffer, GetRandomFlags::empty())
            .map_err(CellError::system("draw a random UID"))?;
        let number = bytes
            .iter()
            .fold(0, |number: u32, byte| number << 8 | u32::from(*byte));
        Ok(Self::range(FIRST_GUEST + number % BASES, MOST_RUNS))
    }

    /// For a box whose UIDs are its own. To be called by the agent.
    pub fn of_box(uids: GuestUids) -> Self {
        match uids {
            GuestUids::Own { count } => Self::range(FIRST_GUEST, count.saturating_sub(1).min(MOST_RUNS)),
            GuestUids::OfTheAgent => {
                let own = getuid().as_raw();
                Self {
                    compile: own,
                    runs: own,
                    most_runs: MOST_RUNS,
                }
            }
        }
    }

    /// The random set that [`base`](Self::base) names; `None` for a number that no set has.
    pub fn from_base(base: u32) -> Option<Self> {
        (FIRST_GUEST..FIRST_GUEST + BASES)
            .contains(&base)
            .then(|| Self::range(base, MOST_RUNS))
    }

    fn range(base: u32, most_runs: u32) -> Self {
        Self {
            compile: base,
            runs: base + 1,
            most_runs,
        }
    }

    pub fn base(self) -> u32 {
        self.compile
    }

    pub fn compile(self) -> GuestId {
        GuestId(self.compile)
    }

    /// The most runs at once, each of which has a guest of its own.
    pub fn most_runs(self) -> u32 {
        self.most_runs.max(1)
    }

    /// One guest for each of `count` runs at once, of which there are [so many](Self::most_runs) at most.
    pub fn runs(self, count: u32) -> Vec<GuestId> {
        (0..count.clamp(1, self.most_runs()))
            .map(|slot| {
                GuestId(if self.runs == self.compile {
                    self.runs
                } else {
                    self.runs + slot
                })
            })
            .collect()
    }
}

/// Where programs that a guest starts keep what they remember; there is nothing else it could call its own.
pub(crate) const HOME: &str = TMP_DIR;
pub(crate) const SHELL: &str = "/bin/sh";

impl Guests {
    /// The box's `/etc/passwd`, where up to `runs` go on at once. The first run's UID is the one that the name means.
    pub fn passwd(self, runs: u32) -> String {
        let nobody = "nobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n";
        let root = format!("root:x:0:0:root:{HOME}:{SHELL}\n");
        let guests = self
            .all(runs)
            .map(|id| format!("{GUEST_NAME}:x:{id}:{id}:{GUEST_NAME}:{HOME}:{SHELL}\n"));
        [root]
            .into_iter()
            .chain(guests)
            .chain([nobody.to_owned()])
            .collect()
    }

    /// The box's `/etc/group`, where up to `runs` go on at once.
    pub fn group(self, runs: u32) -> String {
        let guests = self.all(runs).map(|id| format!("{GUEST_NAME}:x:{id}:\n"));
        ["root:x:0:\n".to_owned()]
            .into_iter()
            .chain(guests)
            .chain(["nogroup:x:65534:\n".to_owned()])
            .collect()
    }

    /// The UIDs, those first that are most likely to be looked for.
    fn all(self, runs: u32) -> impl Iterator<Item = u32> {
        let mut all: Vec<_> = self.runs(runs).into_iter().map(GuestId::as_raw).collect();
        all.insert(1, self.compile);
        all.into_iter().filter(|id| *id != 0)
    }
}

/// Gives up root for good: groups, UID and capabilities. Allocates nothing, so it may be called after `fork`.
///
/// A guest that has the agent's own UID keeps it, and the groups, which its user namespace does not let it change;
/// without capabilities, and unable to gain any by `exec`, it is a user like others.
///
/// The ambient capabilities go with the permitted ones. The bounding set stays, as it takes a right to change it; it is
/// of no use to a process without capabilities that cannot gain any by `exec`.
pub fn become_guest(guest: GuestId) -> rustix::io::Result<()> {
    if !guest.is_agent() {
        set_thread_groups(&[])?;
        set_thread_res_gid(guest.gid(), guest.gid(), guest.gid())?;
        set_thread_res_uid(guest.uid(), guest.uid(), guest.uid())?;
    }
    drop_capabilities()
}

/// Gives up every capability for good.
pub(crate) fn drop_capabilities() -> rustix::io::Result<()> {
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

    fn all(guests: Guests, runs: u32) -> Vec<u32> {
        let mut all: Vec<_> = guests.runs(runs).into_iter().map(GuestId::as_raw).collect();
        all.push(guests.compile().as_raw());
        all.sort_unstable();
        all
    }

    #[test]
    fn no_two_guests_of_a_box_share_a_uid_and_none_is_of_the_system() {
        let mut uids = all(Guests::random().unwrap(), MOST_RUNS + 7);
        assert!(uids.iter().all(|uid| (FIRST_GUEST..=61_000).contains(uid)));
        uids.dedup();
        assert_eq!(uids.len(), MOST_RUNS as usize + 1);
    }

    #[test]
    fn every_guest_has_a_name_and_the_first_run_is_meant_by_it() {
        let guests = Guests::of_box(GuestUids::Own { count: 5 });
        let passwd = guests.passwd(MOST_RUNS);
        let lines: Vec<_> = passwd.lines().collect();
        assert_eq!(lines[0], "root:x:0:0:root:/tmp:/bin/sh");
        assert_eq!(lines[1], "guest:x:10001:10001:guest:/tmp:/bin/sh");
        assert_eq!(lines.len(), 5 + 2, "root, nobody and the guests");
        for id in all(guests, MOST_RUNS) {
            let of_it = |text: &str, field: usize| {
                text.lines()
                    .filter(|line| line.split(':').nth(field) == Some(&id.to_string()))
                    .count()
            };
            assert_eq!(
                (of_it(&passwd, 2), of_it(&guests.group(MOST_RUNS), 2)),
                (1, 1),
                "{id}"
            );
        }
        assert_eq!(guests.passwd(1).lines().count(), 4);
    }

    #[test]
    fn a_base_out_of_range_is_refused() {
        for base in [0, 1, 999, FIRST_GUEST - 1, FIRST_GUEST + BASES, u32::MAX] {
            assert_eq!(Guests::from_base(base), None, "{base}");
        }
        let guests = Guests::random().unwrap();
        assert_eq!(Guests::from_base(guests.base()), Some(guests));
    }

    #[test]
    fn guests_of_a_box_keep_to_the_uids_there_are() {
        let guests = Guests::of_box(GuestUids::Own { count: 3 });
        assert_eq!(all(guests, 8), [FIRST_GUEST, FIRST_GUEST + 1, FIRST_GUEST + 2]);
        assert_eq!(all(guests, 1), [FIRST_GUEST, FIRST_GUEST + 1]);
        let own = getuid().as_raw();
        assert_eq!(all(Guests::of_box(GuestUids::OfTheAgent), 2), [own; 3]);
    }
}
