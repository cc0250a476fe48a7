//! A run's standard input.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{MemfdFlags, SealFlags, SeekFrom, fcntl_add_seals, memfd_create, seek};

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
}
