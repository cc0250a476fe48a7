//! The UIDs of a box.

use std::mem::MaybeUninit;

use rustix::{
    process::{
        DumpableBehavior, Gid, Uid, dumpable_behavior, getegid, geteuid, getuid, parent_process_death_signal,
        set_dumpable_behavior, set_parent_process_death_signal,
    },
    rand::{GetRandomFlags, getrandom},
    thread::{
        CapabilitySet, CapabilitySets, set_capabilities, set_thread_groups, set_thread_res_gid,
        set_thread_res_uid,
    },
};

use crate::{
    box_resources::{FIRST_GUEST, GuestUids},
    error::CellError,
};

/// Guests' UIDs lie from [`FIRST_GUEST`] on: above those a distribution hands out, below those with a meaning of their
/// own.
const BASES: u32 = 50_000;
const MOST_RUNS: u32 = 1_000;

/// The UID, and equal GID, of one guest. Never one of the system's.
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

    /// Whether the guest has no UID but the agent's, whose effective one this process has.
    pub(crate) fn is_agent(self) -> bool {
        getuid() == self.uid()
    }

    /// Looks as this user, to whom alone the kernel shows what its processes have open and wait for.
    pub(crate) fn with_fs_uid<T>(self, work: impl FnOnce() -> T) -> T {
        if self.is_agent() {
            return work();
        }
        let become_user = |uid: u32, gid: u32| {
            // SAFETY: changes as whom this process, which has one thread, looks at files.
            unsafe {
                libc::setfsgid(gid);
                libc::setfsuid(uid);
            }
        };
        // At a change of user the kernel forgets that this process dies with the one that made it, and that nobody may look
        // into its memory.
        let death = parent_process_death_signal().ok().flatten();
        let hidden = matches!(dumpable_behavior(), Ok(DumpableBehavior::NotDumpable));
        become_user(self.as_raw(), self.as_raw());
        let done = work();
        become_user(geteuid().as_raw(), getegid().as_raw());
        // Neither fails for a signal that there is and a behaviour that was.
        if death.is_some() {
            let _ = set_parent_process_death_signal(death);
        }
        if hidden {
            let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
        }
        done
    }
}

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

    /// One guest for each of `count` runs at once; fewer where more are asked for than a box has.
    pub fn runs(self, count: u32) -> Vec<GuestId> {
        (0..count.clamp(1, self.most_runs.max(1)))
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

/// How a guest is called, whatever its UID: nothing can be learnt from a name that all boxes share.
const NAME: &str = "guest";
/// Where programs that a guest starts keep what they remember; there is nothing else it could call its own.
pub(crate) const HOME: &str = "/tmp";
pub(crate) const SHELL: &str = "/bin/sh";

impl GuestId {
    /// The name that [`Guests::passwd`] has for it. A guest that has no UID but the agent's is root of its box.
    pub(crate) fn name(self) -> &'static str {
        if self.0 == 0 { "root" } else { NAME }
    }
}

impl Guests {
    /// The box's `/etc/passwd`, where up to `runs` go on at once. The first run's UID is the one that the name means.
    pub fn passwd(self, runs: u32) -> String {
        let nobody = "nobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n";
        let root = format!("root:x:0:0:root:{HOME}:{SHELL}\n");
        let guests = self
            .all(runs)
            .map(|id| format!("{NAME}:x:{id}:{id}:{NAME}:{HOME}:{SHELL}\n"));
        [root]
            .into_iter()
            .chain(guests)
            .chain([nobody.to_owned()])
            .collect()
    }

    /// The box's `/etc/group`, where up to `runs` go on at once.
    pub fn group(self, runs: u32) -> String {
        let guests = self.all(runs).map(|id| format!("{NAME}:x:{id}:\n"));
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
    fn who_looks_as_a_guest_still_dies_with_whoever_made_it() {
        if !geteuid().is_root() {
            return crate::passed_over::because("only root looks as others");
        }
        let guest = FIRST_GUEST;
        let looker = std::thread::spawn(move || {
            set_parent_process_death_signal(Some(rustix::process::Signal::TERM)).unwrap();
            let as_whom = GuestId(guest).with_fs_uid(|| {
                let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
                let line = status
                    .lines()
                    .find(|line| line.starts_with("Uid:"))
                    .unwrap()
                    .to_owned();
                line.split_ascii_whitespace().last().unwrap().to_owned()
            });
            (as_whom, parent_process_death_signal().unwrap())
        });
        assert_eq!(
            looker.join().unwrap(),
            (guest.to_string(), Some(rustix::process::Signal::TERM))
        );
    }

    #[test]
    fn guests_of_a_nest_keep_to_the_uids_there_are() {
        let guests = Guests::of_box(GuestUids::Own { count: 3 });
        assert_eq!(all(guests, 8), [FIRST_GUEST, FIRST_GUEST + 1, FIRST_GUEST + 2]);
        assert_eq!(all(guests, 1), [FIRST_GUEST, FIRST_GUEST + 1]);
        let own = getuid().as_raw();
        assert_eq!(all(Guests::of_box(GuestUids::OfTheAgent), 2), [own; 3]);
    }
}
