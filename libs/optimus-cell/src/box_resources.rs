//! What a box offers to runs that are to have a cell of their own.

use rustix::thread::CapabilitySet;

use optimus_linux::cgroup::Group;

/// The first UID of guests in a box whose UIDs are its own; the others follow it.
pub const FIRST_GUEST: u32 = 10_000;

/// The rights and resources a box gives its agent to make cells of: one for the compile step, one for each run.
///
/// The agent is root of the box's own user namespace, with [`BoxResources::CAPABILITIES`] in it, and owns whatever is here.
/// Nothing of it reaches a guest.
#[derive(Debug)]
pub struct BoxResources {
    /// The box's cgroup, delegated to the agent, which is itself in a group below it. `None` where the host gives none.
    pub group: Option<Group>,
    /// Size of each writable file system of a run's cell. Inodes are counted at [`BYTES_PER_INODE`](optimus_common::box_layout::BYTES_PER_INODE) each, here and for the
    /// compile step.
    pub disk_bytes: u64,
    /// Size of each writable file system of the compile step.
    pub compile_disk_bytes: u64,
    pub guest_uids: GuestUids,
    pub landlock: Landlock,
}

impl BoxResources {
    /// What the agent must be allowed in the box's user namespace, and nothing else.
    ///
    /// The first is for namespaces and mounts; the second brings up the loopback of a network namespace that was made for a
    /// run, and means nothing in the box's own, which belongs to the user namespace outside; the third is to move to a root
    /// that was made for a run. The others are to become a
    /// guest and to kill, and to let it execute what the compile step made so that nobody may read it.
    pub const CAPABILITIES: CapabilitySet = CapabilitySet::SYS_ADMIN
        .union(CapabilitySet::NET_ADMIN)
        .union(CapabilitySet::SYS_CHROOT)
        .union(CapabilitySet::SETUID)
        .union(CapabilitySet::SETGID)
        .union(CapabilitySet::DAC_READ_SEARCH)
        .union(CapabilitySet::KILL);
}

/// Under which UIDs of the box's user namespace guests run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuestUids {
    /// [`FIRST_GUEST`] and the UIDs after it, `count` in all, mapped as GIDs too: the first is the compile step's, the
    /// others are of runs, each of which that go on at once has another one.
    Own { count: u32 },
    /// That of the agent, since there is no other. What separates the guest from the agent then is the cell alone.
    OfTheAgent,
}

/// Landlock as a second layer below the mounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Landlock {
    Enforced,
    /// The kernel has none, and whoever runs this host allows that.
    Absent,
}
