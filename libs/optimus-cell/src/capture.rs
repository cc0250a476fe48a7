//! One output stream of a run: counted exactly, and cut at its limit.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{Mode, OFlags, fchmod, fcntl_getfl, fcntl_setfl},
    io::Errno,
    io::ioctl_fionread,
    pipe::{PipeFlags, fcntl_getpipe_size, pipe_with},
};

use crate::{error::CellError, seccomp_notify::PipeId};

/// The writing end is kept as well, so that no read tells the end of the stream: it is when no process of the run is left,
/// and nothing in the pipe. Unless it is [left to the guest](Self::leave_to_guest).
#[derive(Debug)]
pub(crate) struct Capture {
    /// `None` after it went over its limit or was closed.
    pipe: Option<OwnedFd>,
    /// What the guest has as well, with all its flags; `None` where it is the guest's alone.
    writer: Option<OwnedFd>,
    identity: PipeId,
    /// What fits into the pipe.
    capacity: u64,
    bytes: u64,
    limit: u64,
}

/// What one read has brought.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Captured<'a> {
    Data(&'a [u8]),
    /// The last bytes within the limit; at least one more was there.
    OverLimit(&'a [u8]),
    /// Nobody can write to it any more, and all was read. Told once.
    Closed,
    /// Nothing at the moment, and nothing ever more once it is over its limit or closed.
    Nothing,
}

impl Capture {
    pub(crate) fn new(limit: u64) -> Result<Self, CellError> {
        let (reader, writer) =
            pipe_with(PipeFlags::CLOEXEC).map_err(CellError::system("make a pipe for a program's output"))?;
        // Of the reading end alone: a guest whose standard output does not block would be surprised.
        rustix::io::ioctl_fionbio(&reader, true).map_err(CellError::system("prepare a pipe"))?;
        // The pipe is root's, and /dev/stdout opens it anew, to read as well where a program asks for both. Only its own
        // processes get that far.
        fchmod(&writer, Mode::from_raw_mode(0o666)).map_err(CellError::system("prepare a pipe"))?;
        let identity = PipeId::of(&writer).map_err(CellError::system("prepare a pipe"))?;
        let capacity = fcntl_getpipe_size(&writer).map_err(CellError::system("prepare a pipe"))?;
        Ok(Self {
            pipe: Some(reader),
            writer: Some(writer),
            identity,
            capacity: capacity as u64,
            bytes: 0,
            limit,
        })
    }

    /// What the guest writes to.
    ///
    /// # Panics
    ///
    /// If it was left to the guest.
    pub(crate) fn writer(&self) -> BorrowedFd<'_> {
        let writer = self.writer.as_ref();
        writer.expect("it is left when the guest has it").as_fd()
    }

    /// From now on only the guest can write to it, so that it is seen when no process has it open. Whether writing blocks is
    /// the guest's own affair then.
    pub(crate) fn leave_to_guest(&mut self) {
        self.writer = None;
    }

    /// What tells this pipe from all others, whichever descriptors lead to it.
    pub(crate) fn identity(&self) -> PipeId {
        self.identity
    }

    /// Whether a guest that writes has to wait until something is read.
    ///
    /// A pipe has room for so many pieces, however small: one byte that could not be put to the byte before takes a whole one.
    /// What is written goes to the last piece as long as it fits there, so two neighbours have more than one holds, and a pipe that
    /// was filled by writing is half full at least. One that was filled in another way costs nothing to keep full.
    pub(crate) fn is_full(&self) -> bool {
        let Some(pipe) = &self.pipe else {
            return false;
        };
        let Some(writer) = &self.writer else {
            // Its room cannot be asked for. So much is in one that was filled by writing as much as it takes at once.
            return ioctl_fionread(pipe).is_ok_and(|bytes| bytes >= self.capacity);
        };
        let mut end = [PollFd::new(writer, PollFlags::OUT)];
        // Nothing is waited for.
        let polled = poll(&mut end, Some(&Timespec::default()));
        polled == Ok(0) && ioctl_fionread(pipe).is_ok_and(|bytes| bytes >= self.capacity / 2)
    }

    /// The filter lets nobody make a stream non-blocking by its own number, nor by another one where it can ask; see
    /// [`crate::seccomp_notify`]. Where it cannot, this takes it back when something comes.
    fn keep_blocking(&self) {
        if let Some(writer) = &self.writer
            && let Ok(flags) = fcntl_getfl(writer)
            && flags.contains(OFlags::NONBLOCK)
        {
            let _ = fcntl_setfl(writer, flags - OFlags::NONBLOCK);
        }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn pollable(&self) -> Option<BorrowedFd<'_>> {
        self.pipe.as_ref().map(AsFd::as_fd)
    }

    pub(crate) fn read<'a>(&mut self, buffer: &'a mut [u8]) -> Result<Captured<'a>, CellError> {
        let Some(pipe) = &self.pipe else {
            return Ok(Captured::Nothing);
        };
        self.keep_blocking();
        let left = self.limit - self.bytes;
        let room = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .saturating_add(1)
            .min(buffer.len());
        let read = match rustix::io::read(pipe, &mut buffer[..room]) {
            // The end of it cannot be seen here: a pipe of packets has given an empty one.
            Ok(0) if self.writer.is_some() => return Ok(Captured::Nothing),
            Ok(read) => read,
            Err(Errno::AGAIN | Errno::INTR) => return Ok(Captured::Nothing),
            Err(errno) => return Err(CellError::system("read a program's output")(errno)),
        };
        self.bytes += read as u64;
        Ok(if read == 0 {
            self.pipe = None;
            Captured::Closed
        } else if self.bytes > self.limit {
            self.pipe = None;
            Captured::OverLimit(&buffer[..read - 1])
        } else {
            Captured::Data(&buffer[..read])
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn captured(limit: u64, written: &[u8], buffer: &mut [u8]) -> (Vec<u8>, u64, bool) {
        let mut capture = Capture::new(limit).unwrap();
        assert_eq!(
            rustix::io::write(capture.writer(), written).unwrap(),
            written.len()
        );
        let mut seen = Vec::new();
        loop {
            match capture.read(buffer).unwrap() {
                Captured::Data(data) => seen.extend_from_slice(data),
                Captured::OverLimit(data) => {
                    seen.extend_from_slice(data);
                    return (seen, capture.bytes(), true);
                }
                Captured::Closed | Captured::Nothing => return (seen, capture.bytes(), false),
            }
        }
    }

    #[test]
    fn the_limit_is_exact_whatever_the_buffer() {
        for size in [1, 3, 4, 5, 64] {
            let mut buffer = vec![0; size];
            assert_eq!(captured(4, b"", &mut buffer), (b"".to_vec(), 0, false));
            assert_eq!(captured(4, b"abcd", &mut buffer), (b"abcd".to_vec(), 4, false));
            assert_eq!(captured(4, b"abcde", &mut buffer), (b"abcd".to_vec(), 5, true));
            assert_eq!(captured(4, b"abcdefgh", &mut buffer), (b"abcd".to_vec(), 5, true));
            assert_eq!(captured(0, b"a", &mut buffer), (b"".to_vec(), 1, true));
        }
    }

    #[test]
    fn an_open_silent_stream_blocks_nobody() {
        let mut capture = Capture::new(4).unwrap();
        assert_eq!(capture.read(&mut [0; 8]).unwrap(), Captured::Nothing);
    }

    #[test]
    fn the_end_of_a_stream_that_is_the_guests_alone_is_told_once_behind_what_was_written() {
        let mut capture = Capture::new(100).unwrap();
        let guests = rustix::io::dup(capture.writer()).unwrap();
        capture.leave_to_guest();
        let mut buffer = [0; 8];
        assert_eq!(capture.read(&mut buffer).unwrap(), Captured::Nothing);
        assert_eq!(rustix::io::write(&guests, b"last").unwrap(), 4);
        drop(guests);
        assert_eq!(capture.read(&mut buffer).unwrap(), Captured::Data(b"last"));
        assert_eq!(capture.read(&mut buffer).unwrap(), Captured::Closed);
        assert_eq!(capture.read(&mut buffer).unwrap(), Captured::Nothing);
        assert!(capture.pollable().is_none() && !capture.is_full());
        assert_eq!(capture.bytes(), 4);
    }

    #[test]
    fn nothing_that_is_read_is_no_end_of_a_stream_whose_writing_end_is_kept() {
        let mut capture = Capture::new(100).unwrap();
        let (empty, _) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        let pipe = capture.pipe.replace(empty);
        assert_eq!(capture.read(&mut [0; 8]).unwrap(), Captured::Nothing);
        capture.pipe = pipe;
        assert_eq!(rustix::io::write(capture.writer(), b"more").unwrap(), 4);
        assert_eq!(capture.read(&mut [0; 8]).unwrap(), Captured::Data(b"more"));
    }

    /// A copy of the writing end that does not block.
    fn unblocked(capture: &Capture) -> OwnedFd {
        let copy = rustix::io::dup(capture.writer()).unwrap();
        rustix::io::ioctl_fionbio(&copy, true).unwrap();
        copy
    }

    /// As what is spliced into it, a packet is a piece of its own.
    #[test]
    fn a_pipe_of_few_bytes_is_not_full() {
        let capture = Capture::new(1 << 20).unwrap();
        let copy = unblocked(&capture);
        let flags = fcntl_getfl(&copy).unwrap();
        fcntl_setfl(&copy, flags | OFlags::DIRECT).unwrap();
        let mut packets = 0;
        while rustix::io::write(&copy, b"x").is_ok() {
            packets += 1;
        }
        assert!(packets < 4096, "each byte was to take a place of its own");
        assert!(!capture.is_full());
    }

    #[test]
    fn a_pipe_is_full_whatever_the_sizes_of_what_was_written() {
        for sizes in [
            &[1][..],
            &[4096],
            &[2049],
            &[1, 4096],
            &[4095, 2],
            &[1, 4096, 4095, 4096],
        ] {
            let capture = Capture::new(1 << 20).unwrap();
            let copy = unblocked(&capture);
            let mut sizes = sizes.iter().cycle();
            while rustix::io::write(&copy, &vec![0; *sizes.next().unwrap()]).is_ok() {}
            assert!(capture.is_full());
        }
    }

    #[test]
    fn a_pipe_is_full_until_it_is_read() {
        let mut capture = Capture::new(1 << 20).unwrap();
        let copy = unblocked(&capture);
        assert!(!capture.is_full());
        while rustix::io::write(&copy, &[0; 4096]).is_ok() {}
        assert!(capture.is_full());
        // And blocks again from then on.
        assert!(matches!(capture.read(&mut [0; 8192]), Ok(Captured::Data(_))));
        assert!(!capture.is_full());
        assert!(!fcntl_getfl(&copy).unwrap().contains(OFlags::NONBLOCK));
    }
}
