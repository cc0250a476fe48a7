//! Making processes, and what they begin with.

use std::{
    io,
    ops::RangeInclusive,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
    time::Duration,
};

use rustix::{
    io::Errno,
    process::Pid,
    thread::{UnshareFlags, unshare_unsafe},
};

/// `CLONE_INTO_CGROUP` of `linux/sched.h`, which the C library's constants have no room for.
const CLONE_INTO_CGROUP: u64 = 1 << 33;

/// Killed processes are gone in milliseconds. But each needs some of a CPU for it, and where hundreds have a small share of a machine
/// that is busy with other work it takes more than ten seconds; one that is not gone by now hangs in the kernel.
pub const LONGEST_DYING: Duration = Duration::from_mins(1);

/// What became of the process that asked for another one.
#[derive(Debug)]
pub enum Cloned {
    /// This is the caller, which has a child now.
    Parent {
        child: Pid,
        /// A descriptor of the child, where one was wanted.
        pidfd: Option<OwnedFd>,
    },
    /// This is the child.
    Child,
}

/// Whether a descriptor of the new process is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PidFd {
    Wanted,
    Unwanted,
}

/// Makes a process in new namespaces, in this group of version 2 if one is given, as its folder. Allocates nothing.
///
/// # Safety
///
/// As for `fork`: the caller has one thread, or the child restricts itself to what is safe after `fork`.
pub unsafe fn clone_into(
    namespaces: UnshareFlags,
    group: Option<BorrowedFd<'_>>,
    pidfd: PidFd,
) -> rustix::io::Result<Cloned> {
    let mut descriptor: RawFd = -1;
    // SAFETY: zeroes are valid arguments, "nothing special".
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    arguments.flags = namespaces.bits().into();
    arguments.exit_signal = u64::from(libc::SIGCHLD.unsigned_abs());
    if pidfd == PidFd::Wanted {
        arguments.flags |= u64::from(libc::CLONE_PIDFD.unsigned_abs());
        arguments.pidfd = (&raw mut descriptor) as u64;
    }
    if let Some(folder) = group {
        arguments.flags |= CLONE_INTO_CGROUP;
        arguments.cgroup = u64::from(folder.as_raw_fd().unsigned_abs());
    }
    // SAFETY: no memory is shared with the child, which goes on with a copy of this stack, as after `fork`. The arguments are
    // as large as told, and the descriptor is written to a place that lives on.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw mut arguments, size_of_val(&arguments)) };
    if pid == 0 {
        return Ok(Cloned::Child);
    }
    let child = i32::try_from(pid)
        .ok()
        .filter(|pid| *pid > 0)
        .and_then(Pid::from_raw);
    Ok(Cloned::Parent {
        child: child.ok_or_else(last_errno)?,
        // SAFETY: the kernel has just made it, and nobody else knows it.
        pidfd: (pidfd == PidFd::Wanted).then(|| unsafe { OwnedFd::from_raw_fd(descriptor) }),
    })
}

/// Leaves namespaces for new ones. The table of descriptors is no namespace, and is refused. Allocates nothing.
pub fn unshare(namespaces: UnshareFlags) -> rustix::io::Result<()> {
    if namespaces.contains(UnshareFlags::FILES) {
        return Err(Errno::INVAL);
    }
    // SAFETY: namespaces are left, which no code relies on; the table of descriptors is not unshared.
    unsafe { unshare_unsafe(namespaces) }
}

/// Closes whatever is open in a range of descriptors, for a process that is about to become another program, or is left
/// without any: nothing in it may use them afterwards. Allocates nothing.
pub fn close_descriptors(range: RangeInclusive<u32>) -> rustix::io::Result<()> {
    let (first, last) = range.into_inner();
    // SAFETY: by the caller's word, nothing uses what is closed here.
    if first <= last && unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) } == -1 {
        return Err(last_errno());
    }
    Ok(())
}

/// Why the last call of the C library has failed.
pub fn last_errno() -> Errno {
    Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO)
}
