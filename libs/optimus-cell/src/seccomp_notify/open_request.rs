//! Guests that open one of their streams a second time, and ask in the same call that it should not block.
//!
//! They get a descriptor that blocks, as if they had been given what they asked for: see [`crate::filter`]. Known is the usual
//! way to name a stream: `/dev/stdout`, `/dev/fd/1`, `/proc/self/fd/1` and the like, as they stand in the call. By any other name
//! a guest gets what it asks for.

use std::{
    fs::File,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::fs::FileExt,
    },
};

use rustix::fs::{Mode, OFlags, fcntl_setfl, open, stat};

use super::{ioctl::ADD, pipe_id::PipeId};
use crate::guest_id::GuestId;

/// More than the longest name of a stream takes.
const LONGEST_NAME: usize = 64;

/// What a guest wants to open.
#[derive(Debug)]
pub(super) struct OpenRequest {
    thread: u32,
    name: u64,
    flags: OFlags,
}

impl OpenRequest {
    /// What a system call of a guest asks for, where it opens something.
    pub(super) fn asked_by(question: &libc::seccomp_notif) -> Option<Self> {
        let arguments = question.data.args;
        let (name, flags) = match i64::from(question.data.nr) {
            #[cfg(target_arch = "x86_64")]
            libc::SYS_open => (arguments[0], arguments[1]),
            libc::SYS_openat => (arguments[1], arguments[2]),
            _ => return None,
        };
        // The kernel takes the lower half for the flags.
        #[expect(clippy::cast_possible_truncation)]
        let flags = OFlags::from_bits_retain(flags as u32);
        Some(Self {
            thread: question.pid,
            name,
            flags,
        })
    }

    /// The stream, opened as the guest would have, save that it blocks; if it is one.
    pub(super) fn open_stream(&self, guest: GuestId, streams: [PipeId; 2]) -> Option<OwnedFd> {
        let is_stream = |identity: PipeId| streams.contains(&identity);
        let opened = guest.with_fs_uid(|| {
            let DescriptorPath { path, process } = descriptor_path(&self.read_name()?, self.thread)?;
            if let Some(process) = process {
                // The agent may open its own descriptors, whoever it looks as.
                stat(&process)
                    .ok()
                    .filter(|known| known.st_uid == guest.as_raw())?;
            }
            stat(&path).ok().filter(|known| is_stream(known.into()))?;
            // Whoever opens a pipe may have to wait for its reader.
            let how = self.flags & OFlags::ACCMODE | OFlags::NONBLOCK | OFlags::CLOEXEC;
            open(&path, how, Mode::empty()).ok()
        })?;
        PipeId::of(&opened).ok().filter(|known| is_stream(*known))?;
        fcntl_setfl(&opened, OFlags::empty()).ok()?;
        Some(opened)
    }

    fn read_name(&self) -> Option<String> {
        let mut bytes = [0; LONGEST_NAME];
        let memory = File::open(format!("/proc/{}/mem", self.thread)).ok()?;
        let length = memory.read_at(&mut bytes, self.name).ok()?;
        let name = bytes[..length].split(|byte| *byte == 0).next()?;
        // One that does not end here is none of a stream.
        (name.len() < length).then(|| str::from_utf8(name).ok().map(str::to_owned))?
    }

    /// Gives a descriptor to the guest that asked, and tells its number there.
    pub(super) fn give(&self, listener: &OwnedFd, id: u64, given: &OwnedFd) -> Option<i64> {
        let close_on_exec = self.flags & OFlags::CLOEXEC;
        let mut added = libc::seccomp_notif_addfd {
            id,
            flags: 0,
            srcfd: given.as_raw_fd().cast_unsigned(),
            newfd: 0,
            newfd_flags: close_on_exec.bits(),
        };
        // SAFETY: the kernel reads a value of the size that the request tells.
        let number = unsafe { libc::ioctl(listener.as_raw_fd(), ADD, &raw mut added) };
        (number >= 0).then_some(number.into())
    }
}

/// Where the agent finds a descriptor of a guest.
#[derive(Debug, PartialEq, Eq)]
struct DescriptorPath {
    path: String,
    /// The process that it is said to be of, where that is not the one that asks.
    process: Option<String>,
}

/// What this thread calls so, if it is the name of a descriptor.
fn descriptor_path(name: &str, thread: u32) -> Option<DescriptorPath> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let own = |number: &str| DescriptorPath {
        path: format!("/proc/{thread}/fd/{number}"),
        process: None,
    };
    match name.split('/').collect::<Vec<_>>()[..] {
        ["", "dev", "stdout"] => Some(own("1")),
        ["", "dev", "stderr"] => Some(own("2")),
        ["", "dev", "fd", number] | ["", "proc", "self" | "thread-self", "fd", number]
            if is_number(number) =>
        {
            Some(own(number))
        }
        // The guest counts processes as its own `/proc` does.
        ["", "proc", process, "fd", number] if is_number(process) && is_number(number) => {
            let process = format!("/proc/{thread}/root/proc/{process}");
            Some(DescriptorPath {
                path: format!("{process}/fd/{number}"),
                process: Some(process),
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_known_by_their_usual_names_alone() {
        let place = |name| descriptor_path(name, 7);
        for (name, wanted) in [
            ("/dev/stdout", "/proc/7/fd/1"),
            ("/dev/stderr", "/proc/7/fd/2"),
            ("/dev/fd/10", "/proc/7/fd/10"),
            ("/proc/self/fd/1", "/proc/7/fd/1"),
            ("/proc/thread-self/fd/1", "/proc/7/fd/1"),
            ("/proc/12/fd/1", "/proc/7/root/proc/12/fd/1"),
        ] {
            let DescriptorPath { path, process } = place(name).unwrap();
            assert_eq!(path, wanted, "{name}");
            assert_eq!(process.is_some(), name.contains("12"), "{name}");
        }
        for name in [
            "",
            "/",
            "/dev/stdin",
            "dev/stdout",
            "/dev/fd/",
            "/dev/fd/../1",
            "/proc/self/fd/1/..",
            "/proc/self/mem",
            "/proc/../fd/1",
            "/proc/1/fd/x",
            "/etc/passwd",
        ] {
            assert_eq!(place(name), None, "{name}");
        }
    }
}
