//! What guests ask before they make a descriptor non-blocking, or open one that is: whether it is one of their streams under another
//! number, or by its name.
//!
//! A filter knows numbers alone, and a duplicate of standard output has any. So a guest that makes such a descriptor non-blocking
//! waits until the agent has looked what it is. For a stream the call is answered as if it had been made, as it is for numbers
//! 1 and 2 (see [`crate::filter`]); for everything else the kernel goes on with it.
//!
//! Nothing is kept safe by this. A guest that changes its descriptors meanwhile loses its own output at worst.

mod ioctl;
mod open_request;
mod pipe_id;

use std::{
    ffi::CStr,
    io::Write,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::stat,
};

use crate::guest_id::GuestId;
use ioctl::{GO_ON, RECEIVE, SEND};
use open_request::OpenRequest;
pub(crate) use pipe_id::PipeId;

/// Answers in one turn, and how long they may take. A guest that asks without end must not keep the clocks from being looked at;
/// nor must one that is slow to take an answer.
const MOST_ANSWERS: usize = 64;
const LONGEST_TURN: Duration = Duration::from_millis(1);

/// The listener of the filter of a run's guest.
#[derive(Debug)]
pub(crate) struct SeccompListener {
    listener: OwnedFd,
    guest: GuestId,
}

/// Whether anybody is left who may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FilterUse {
    InUse,
    Unused,
}

impl SeccompListener {
    pub(crate) fn new(listener: OwnedFd, guest: GuestId) -> Self {
        Self { listener, guest }
    }

    pub(crate) fn pollable(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }

    /// Answers what has been asked.
    pub(crate) fn answer(&self, streams: [PipeId; 2]) -> FilterUse {
        let since = Instant::now();
        for _ in 0..MOST_ANSWERS {
            let mut end = [PollFd::new(&self.listener, PollFlags::IN)];
            if !matches!(poll(&mut end, Some(&Timespec::default())), Ok(1)) {
                return FilterUse::InUse;
            }
            if !end[0].revents().contains(PollFlags::IN) {
                return FilterUse::Unused;
            }
            self.answer_one(streams);
            if since.elapsed() > LONGEST_TURN {
                break;
            }
        }
        FilterUse::InUse
    }

    /// Whoever asked may have died meanwhile: nothing that fails here matters.
    fn answer_one(&self, streams: [PipeId; 2]) {
        // SAFETY: zeroes are a valid value, which the kernel asks for.
        let mut question: libc::seccomp_notif = unsafe { std::mem::zeroed() };
        // SAFETY: the kernel stores a value of the size that the request tells.
        if unsafe { libc::ioctl(self.listener.as_raw_fd(), RECEIVE, &raw mut question) } == -1 {
            return;
        }
        let result = self.result(&question, streams);
        let mut answer = libc::seccomp_notif_resp {
            id: question.id,
            val: result.unwrap_or_default(),
            error: 0,
            flags: if result.is_some() { 0 } else { GO_ON },
        };
        // SAFETY: the kernel reads a value of the size that the request tells.
        unsafe { libc::ioctl(self.listener.as_raw_fd(), SEND, &raw mut answer) };
    }

    /// What the call returns; nothing, where the kernel is to go on with it.
    fn result(&self, question: &libc::seccomp_notif, streams: [PipeId; 2]) -> Option<i64> {
        if let Some(opening) = OpenRequest::asked_by(question) {
            let stream = opening.open_stream(self.guest, streams)?;
            return opening.give(&self.listener, question.id, &stream);
        }
        let asked = self.identity(question.pid, question.data.args[0])?;
        streams.contains(&asked).then_some(0)
    }

    /// What a thread of the guest has under this number.
    fn identity(&self, thread: u32, descriptor: u64) -> Option<PipeId> {
        // The kernel takes the lower half for a descriptor.
        #[expect(clippy::cast_possible_truncation)]
        let descriptor = descriptor as u32;
        let mut path = [0; 48];
        write!(&mut path[..], "/proc/{thread}/fd/{descriptor}\0").ok()?;
        let path = CStr::from_bytes_until_nul(&path).ok()?;
        let known = self.guest.with_fs_uid(|| stat(path).ok())?;
        Some(PipeId::from(&known))
    }
}
