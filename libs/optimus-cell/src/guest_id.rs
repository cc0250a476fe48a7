//! Who a guest is.

use rustix::process::{
    DumpableBehavior, Gid, Uid, dumpable_behavior, getegid, geteuid, getuid, parent_process_death_signal,
    set_dumpable_behavior, set_parent_process_death_signal,
};

/// How a guest is called, whatever its UID: nothing can be learnt from a name that all boxes share.
pub(crate) const GUEST_NAME: &str = "guest";

/// The UID, and equal GID, of one guest. Never one of the system's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuestId(pub(crate) u32);

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

    /// Does this as the guest's user, to whom alone the kernel shows what its processes have open and wait for.
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

    /// The name that [`Guests::passwd`](crate::Guests::passwd) has for it. A guest that has no UID but the agent's is root of its box.
    pub(crate) fn name(self) -> &'static str {
        if self.0 == 0 { "root" } else { GUEST_NAME }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::box_resources::FIRST_GUEST;

    #[test]
    fn who_looks_as_a_guest_still_dies_with_whoever_made_it() {
        if !geteuid().is_root() {
            return optimus_testkit::passed_over::because("only root looks as others");
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
}
