//! One output stream of a run: counted exactly, and cut at its limit.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::{
    fs::{Mode, fchmod},
    io::Errno,
    pipe::{PipeFlags, pipe_with},
};

use crate::error::CellError;

#[derive(Debug)]
pub(crate) struct Capture {
    /// `None` after the end of the stream, or after it went over its limit.
    pipe: Option<OwnedFd>,
    bytes: u64,
    limit: u64,
}

/// What one read has brought.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Captured<'a> {
    Data(&'a [u8]),
    /// The last bytes within the limit; at least one more was there.
    OverLimit(&'a [u8]),
    /// Nothing at the moment.
    Nothing,
    End,
}

impl Capture {
    /// The reading end, and the writing end for the guest.
    pub(crate) fn new(limit: u64) -> Result<(Self, OwnedFd), CellError> {
        let (reader, writer) =
            pipe_with(PipeFlags::CLOEXEC).map_err(CellError::system("make a pipe for a program's output"))?;
        // Of the reading end alone: a guest whose standard output does not block would be surprised.
        rustix::io::ioctl_fionbio(&reader, true).map_err(CellError::system("prepare a pipe"))?;
        // The pipe is root's, and /dev/stdout opens it anew. Only its own processes get that far.
        fchmod(&writer, Mode::WUSR | Mode::WGRP | Mode::WOTH).map_err(CellError::system("prepare a pipe"))?;
        Ok((
            Self {
                pipe: Some(reader),
                bytes: 0,
                limit,
            },
            writer,
        ))
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn pollable(&self) -> Option<BorrowedFd<'_>> {
        self.pipe.as_ref().map(AsFd::as_fd)
    }

    pub(crate) fn read<'a>(&mut self, buffer: &'a mut [u8]) -> Result<Captured<'a>, CellError> {
        let Some(pipe) = &self.pipe else {
            return Ok(Captured::End);
        };
        let left = self.limit - self.bytes;
        let room = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .saturating_add(1)
            .min(buffer.len());
        let read = match rustix::io::read(pipe, &mut buffer[..room]) {
            Ok(read) => read,
            Err(Errno::AGAIN | Errno::INTR) => return Ok(Captured::Nothing),
            Err(errno) => return Err(CellError::system("read a program's output")(errno)),
        };
        self.bytes += read as u64;
        Ok(if read == 0 {
            self.pipe = None;
            Captured::End
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
        let (mut capture, writer) = Capture::new(limit).unwrap();
        assert_eq!(rustix::io::write(&writer, written).unwrap(), written.len());
        drop(writer);
        let mut seen = Vec::new();
        loop {
            match capture.read(buffer).unwrap() {
                Captured::Data(data) => seen.extend_from_slice(data),
                Captured::OverLimit(data) => {
                    seen.extend_from_slice(data);
                    return (seen, capture.bytes(), true);
                }
                Captured::End => return (seen, capture.bytes(), false),
                Captured::Nothing => panic!("the writing end is closed"),
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
        let (mut capture, _writer) = Capture::new(4).unwrap();
        assert_eq!(capture.read(&mut [0; 8]).unwrap(), Captured::Nothing);
    }
}
