//! A run's standard input.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::{
    fs::{MemfdFlags, Mode, SealFlags, SeekFrom, fchmod, fcntl_add_seals, memfd_create, seek},
    io::Errno,
    pipe::{PipeFlags, pipe_with},
};

use crate::error::CellError;

/// An input that is still being received.
#[derive(Debug)]
pub struct InputWriter(OwnedFd);

impl InputWriter {
    pub fn new() -> Result<Self, CellError> {
        memfd_create(c"input", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)
            .map(Self)
            .map_err(CellError::system("make a file in memory for an input"))
    }

    pub fn write(&mut self, mut bytes: &[u8]) -> Result<(), CellError> {
        while !bytes.is_empty() {
            let written = rustix::io::write(&self.0, bytes).map_err(CellError::system("store an input"))?;
            bytes = &bytes[written..];
        }
        Ok(())
    }

    pub fn finish(self) -> Result<Input, CellError> {
        let all = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
        fcntl_add_seals(&self.0, all).map_err(CellError::system("seal an input"))?;
        let input = Input(self.0);
        input.rewind()?;
        Ok(input)
    }
}

/// A complete input: a sealed file in memory, which nobody can change and which is there once however large it is.
#[derive(Debug)]
pub struct Input(OwnedFd);

impl Input {
    /// The input of a program that gets none.
    pub fn empty() -> Result<Self, CellError> {
        InputWriter::new()?.finish()
    }

    fn rewind(&self) -> Result<(), CellError> {
        seek(&self.0, SeekFrom::Start(0)).map_err(CellError::system("rewind an input"))?;
        Ok(())
    }
}

impl AsFd for Input {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// What a run reads from.
#[derive(Debug, Clone, Copy)]
pub enum Stdin<'a> {
    /// All of it is there already.
    File(&'a Input),
    /// The reading end of a pipe, as [`LiveInput::new`] makes it. Once the run has started, nobody else is to have it, or its
    /// writer is never told that nobody reads.
    Pipe(&'a OwnedFd),
}

impl AsFd for Stdin<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::File(input) => input.as_fd(),
            Self::Pipe(reader) => reader.as_fd(),
        }
    }
}

/// The writing end of an input that comes while the run goes on. Its run reads the end of it when this is dropped.
#[derive(Debug)]
pub struct LiveInput(OwnedFd);

/// What became of bytes for a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fed {
    /// So many of them are in the pipe. There is no room for more at the moment if that is not all.
    Taken(usize),
    /// No process of the run has the pipe any more: nobody will ever read what is sent.
    Closed,
}

impl LiveInput {
    /// The writing end, and the reading end for the run.
    pub fn new() -> Result<(Self, OwnedFd), CellError> {
        let failed = |errno| CellError::system("make a pipe for a program's input")(errno);
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).map_err(failed)?;
        // Of the writing end alone: a guest that does not read is not to stop the agent, and one that does is to wait.
        rustix::io::ioctl_fionbio(&writer, true).map_err(failed)?;
        // The pipe is root's, and /dev/stdin opens it anew. To read: nobody is to write into it but the agent.
        fchmod(&reader, Mode::from_raw_mode(0o444)).map_err(failed)?;
        Ok((Self(writer), reader))
    }

    /// Gives the run as much of the bytes as its pipe takes now.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Fed, CellError> {
        let mut taken = 0;
        while taken < bytes.len() {
            match rustix::io::write(&self.0, &bytes[taken..]) {
                Ok(written) => taken += written,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(Errno::PIPE) => return Ok(Fed::Closed),
                Err(errno) => return Err(CellError::system("write a program's input")(errno)),
            }
        }
        Ok(Fed::Taken(taken))
    }
}

/// To wait until there is room.
impl AsFd for LiveInput {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finished_input_reads_from_its_start_and_cannot_be_changed() {
        let mut writer = InputWriter::new().unwrap();
        writer.write(b"12 ").unwrap();
        writer.write(b"13\n").unwrap();
        let input = writer.finish().unwrap();
        let mut buffer = [0; 16];
        let read = rustix::io::read(&input, &mut buffer).unwrap();
        assert_eq!(&buffer[..read], b"12 13\n");
        assert!(rustix::io::write(&input, b"x").is_err());
        assert!(rustix::fs::ftruncate(&input, 0).is_err());
        assert!(rustix::fs::ftruncate(&input, 100).is_err());
    }

    #[test]
    fn a_live_input_takes_what_fits_and_tells_when_nobody_reads() {
        let (mut live, reader) = LiveInput::new().unwrap();
        let bytes = vec![b'x'; 1 << 20];
        let Fed::Taken(first) = live.feed(&bytes).unwrap() else {
            panic!("it has a reader");
        };
        assert!((1..bytes.len()).contains(&first), "{first}");
        assert_eq!(live.feed(&bytes).unwrap(), Fed::Taken(0));
        let mut buffer = vec![0; first];
        assert_eq!(rustix::io::read(&reader, &mut buffer).unwrap(), first);
        assert_eq!(live.feed(b"more").unwrap(), Fed::Taken(4));
        drop(reader);
        assert_eq!(live.feed(b"more").unwrap(), Fed::Closed);
    }

    #[test]
    fn the_end_of_a_live_input_is_read_once_it_is_dropped() {
        let (mut live, reader) = LiveInput::new().unwrap();
        assert_eq!(live.feed(b"last").unwrap(), Fed::Taken(4));
        drop(live);
        let mut buffer = [0; 8];
        assert_eq!(rustix::io::read(&reader, &mut buffer).unwrap(), 4);
        assert_eq!(rustix::io::read(&reader, &mut buffer).unwrap(), 0);
    }
}
