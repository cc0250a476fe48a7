//! The agent's two ends of the frame channel: standard input and standard output.
//!
//! Standard output never blocks: what does not go out at once waits in the [`Outbox`]. Standard input is read as far as a
//! frame goes and no further, by [`Incoming`].

use std::{collections::VecDeque, error::Error, fmt, os::fd::BorrowedFd};

use anyhow::Context;
use optimus_protocol::{CHUNK, Decoder, FrameHeader, FrameKind, Part, encode, encode_json};
use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
    stdio::{stdin, stdout},
};
use serde::{Serialize, de::DeserializeOwned};

/// Bytes that may wait before no more output is taken from guests.
const HIGH_WATER: usize = 256 << 10;

/// The worker has closed the channel: its box is to vanish.
#[derive(Debug)]
pub(crate) struct WorkerGone;

impl fmt::Display for WorkerGone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the worker is gone")
    }
}

impl Error for WorkerGone {}

pub(crate) fn input() -> BorrowedFd<'static> {
    stdin()
}

pub(crate) fn output() -> BorrowedFd<'static> {
    stdout()
}

/// What to ask of the input where its data is not wanted: only whether it is still there.
pub(crate) const ONLY_HANG_UP: PollFlags = PollFlags::RDHUP;

/// Fails once the worker's end is closed, even if bytes it has sent are still to be read.
pub(crate) fn check_worker(input: PollFlags) -> Result<(), WorkerGone> {
    let gone = PollFlags::HUP | PollFlags::RDHUP | PollFlags::ERR | PollFlags::NVAL;
    if input.intersects(gone) {
        Err(WorkerGone)
    } else {
        Ok(())
    }
}

/// Reads what is there, waiting for the first byte; never more than `buffer` holds.
pub(crate) fn read_some(buffer: &mut [u8]) -> anyhow::Result<usize> {
    loop {
        match rustix::io::read(input(), &mut *buffer) {
            Ok(0) => return Err(WorkerGone.into()),
            Ok(read) => return Ok(read),
            Err(Errno::INTR) => {}
            // Input and output may be one socket, and then the one does not block because the other must not.
            Err(Errno::AGAIN) => wait_for(input(), PollFlags::IN)?,
            Err(errno) => return Err(errno).context("cannot read from the worker"),
        }
    }
}

/// Frames from the worker. It never asks for more than belongs to the current part of one: what follows may belong to the
/// next phase.
#[derive(Debug)]
pub(crate) struct Incoming {
    decoder: Decoder,
    buffer: Vec<u8>,
}

impl Incoming {
    pub(crate) fn new() -> Self {
        Self {
            decoder: Decoder::new(),
            buffer: vec![0; CHUNK],
        }
    }

    /// Reads once, by `read`, and tells what came; `None` where that leaves a header incomplete.
    pub(crate) fn receive_by(
        &mut self,
        read: impl FnOnce(&mut [u8]) -> anyhow::Result<usize>,
    ) -> anyhow::Result<Option<Part<'_>>> {
        let room = self.decoder.wanted().min(self.buffer.len());
        let read = read(&mut self.buffer[..room])?;
        Ok(self.decoder.feed(&mut &self.buffer[..read])?)
    }

    /// The next frame's header.
    pub(crate) fn any_header(&mut self) -> anyhow::Result<FrameHeader> {
        loop {
            match self.receive_by(read_some)? {
                None => {}
                Some(Part::Header(header)) => return Ok(header),
                Some(Part::Payload(_)) => anyhow::bail!("the frame before was not read to its end"),
            }
        }
    }

    /// The length of the next frame's payload, which has to be of this kind.
    pub(crate) fn header(&mut self, expected: FrameKind) -> anyhow::Result<usize> {
        let FrameHeader { kind, len } = self.any_header()?;
        anyhow::ensure!(
            kind == expected,
            "the worker sent {kind:?} instead of {expected:?}"
        );
        Ok(len)
    }

    /// The next bytes of the current frame's payload, of which something is left.
    pub(crate) fn payload(&mut self) -> anyhow::Result<&[u8]> {
        match self.receive_by(read_some)? {
            Some(Part::Payload(data)) => Ok(data),
            Some(Part::Header(_)) | None => anyhow::bail!("the frame is over"),
        }
    }

    /// One whole control frame.
    pub(crate) fn message<T: DeserializeOwned>(&mut self, kind: FrameKind) -> anyhow::Result<T> {
        let len = self.header(kind)?;
        self.parse(kind, len)
    }

    /// The payload of a control frame whose header was read.
    pub(crate) fn parse<T: DeserializeOwned>(&mut self, kind: FrameKind, len: usize) -> anyhow::Result<T> {
        let mut payload = Vec::with_capacity(len);
        while payload.len() < len {
            payload.extend_from_slice(self.payload()?);
        }
        understand(kind, &payload)
    }
}

/// The payload of a whole control frame.
pub(crate) fn understand<T: DeserializeOwned>(kind: FrameKind, payload: &[u8]) -> anyhow::Result<T> {
    serde_json::from_slice(payload).with_context(|| format!("cannot understand the worker's {kind:?}"))
}

fn wait_for(descriptor: BorrowedFd<'_>, events: PollFlags) -> anyhow::Result<()> {
    match poll(&mut [PollFd::from_borrowed_fd(descriptor, events)], None) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(errno) => Err(errno).context("cannot wait for the worker"),
    }
}

/// Frames on their way to the worker.
#[derive(Debug)]
pub(crate) struct Outbox {
    queue: VecDeque<u8>,
    mode: Mode,
}

/// Whether standard output has been told not to block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Inherited,
    NonBlocking,
}

impl Outbox {
    pub(crate) fn new() -> Self {
        Self {
            queue: VecDeque::new(),
            mode: Mode::Inherited,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.queue.len() >= HIGH_WATER
    }

    /// Appends a frame whose payload is the parts in order.
    pub(crate) fn push(&mut self, kind: FrameKind, parts: &[&[u8]]) {
        encode(&mut self.queue, kind, parts);
    }

    pub(crate) fn push_message<T: Serialize>(&mut self, kind: FrameKind, message: &T) -> anyhow::Result<()> {
        Ok(encode_json(&mut self.queue, kind, message)?)
    }

    /// Writes what the worker takes now.
    pub(crate) fn flush(&mut self) -> anyhow::Result<()> {
        if self.mode == Mode::Inherited {
            rustix::io::ioctl_fionbio(output(), true).context("cannot prepare standard output")?;
            self.mode = Mode::NonBlocking;
        }
        while !self.queue.is_empty() {
            match rustix::io::write(output(), self.queue.as_slices().0) {
                Ok(written) => drop(self.queue.drain(..written)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(Errno::PIPE | Errno::CONNRESET) => return Err(WorkerGone.into()),
                Err(errno) => return Err(errno).context("cannot write to the worker"),
            }
        }
        Ok(())
    }

    /// Writes everything, however long the worker takes, unless it goes away.
    pub(crate) fn flush_all(&mut self) -> anyhow::Result<()> {
        self.flush()?;
        while !self.is_empty() {
            let mut ends = [
                PollFd::from_borrowed_fd(output(), PollFlags::OUT),
                PollFd::from_borrowed_fd(input(), ONLY_HANG_UP),
            ];
            match poll(&mut ends, None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(errno).context("cannot wait for the worker"),
            }
            check_worker(ends[1].revents())?;
            self.flush()?;
        }
        Ok(())
    }
}
