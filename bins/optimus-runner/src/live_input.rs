//! The standard input of an execution that is fed while it goes on.
//!
//! What its pipe does not take waits here, and is never more than the window: a guest that does not read stops nobody but
//! whoever feeds it.

use std::{
    collections::VecDeque,
    os::fd::{AsFd, BorrowedFd},
};

use anyhow::ensure;
use optimus_cell::{Fed, LiveInput};
use optimus_protocol::WINDOW;

#[derive(Debug)]
pub(crate) struct WindowedInput {
    pipe: Pipe,
    /// Bytes for the pipe, in order.
    waiting: VecDeque<u8>,
    /// Bytes out of our hands that the worker has not been told of.
    untold: usize,
}

#[derive(Debug)]
enum Pipe {
    Open(LiveInput),
    /// Nothing more comes from the worker; the pipe ends after what waits.
    Ending(LiveInput),
    /// Nobody reads any more, or everything was read.
    Closed(MayFollow),
}

/// Whether the worker may send more, which is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MayFollow {
    More,
    Nothing,
}

impl WindowedInput {
    pub(crate) fn new(pipe: LiveInput) -> Self {
        Self {
            pipe: Pipe::Open(pipe),
            waiting: VecDeque::new(),
            untold: 0,
        }
    }

    /// Takes in what the worker has sent.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        ensure!(
            self.waiting.len() + self.untold + bytes.len() <= WINDOW,
            "the worker sent more input than the window of {WINDOW} bytes"
        );
        match self.pipe {
            Pipe::Open(_) => self.waiting.extend(bytes),
            Pipe::Closed(MayFollow::More) => self.untold += bytes.len(),
            Pipe::Ending(_) | Pipe::Closed(MayFollow::Nothing) => {
                anyhow::bail!("the worker sent input after its end")
            }
        }
        Ok(())
    }

    /// Nothing more comes from the worker.
    pub(crate) fn close(&mut self) {
        self.pipe = match std::mem::replace(&mut self.pipe, Pipe::Closed(MayFollow::Nothing)) {
            Pipe::Open(pipe) | Pipe::Ending(pipe) if !self.waiting.is_empty() => Pipe::Ending(pipe),
            _ => Pipe::Closed(MayFollow::Nothing),
        };
    }

    /// Gives the guest what it takes now.
    pub(crate) fn feed(&mut self) -> anyhow::Result<()> {
        while !self.waiting.is_empty() {
            let (Pipe::Open(pipe) | Pipe::Ending(pipe)) = &mut self.pipe else {
                break;
            };
            match pipe.feed(self.waiting.as_slices().0)? {
                Fed::Taken(0) => return Ok(()),
                Fed::Taken(taken) => {
                    self.waiting.drain(..taken);
                    self.untold += taken;
                }
                Fed::Closed => {
                    self.untold += self.waiting.len();
                    self.waiting.clear();
                    self.pipe = Pipe::Closed(match self.pipe {
                        Pipe::Open(_) => MayFollow::More,
                        _ => MayFollow::Nothing,
                    });
                }
            }
        }
        if let Pipe::Ending(_) = self.pipe {
            self.pipe = Pipe::Closed(MayFollow::Nothing);
        }
        Ok(())
    }

    /// The pipe, where something waits for room in it.
    pub(crate) fn wants_room(&self) -> Option<BorrowedFd<'_>> {
        match &self.pipe {
            Pipe::Open(pipe) | Pipe::Ending(pipe) if !self.waiting.is_empty() => Some(pipe.as_fd()),
            _ => None,
        }
    }

    pub(crate) fn is_untold(&self) -> bool {
        self.untold > 0
    }

    /// Bytes to tell the worker of, if any.
    pub(crate) fn take_untold(&mut self) -> Option<u32> {
        let untold = std::mem::take(&mut self.untold);
        u32::try_from(untold).ok().filter(|untold| *untold > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_the_window_is_kept_for_a_guest_that_does_not_read() {
        let (pipe, _reader) = LiveInput::new().unwrap();
        let mut input = WindowedInput::new(pipe);
        let mut told = 0;
        // The pipe takes some of it, and every byte it takes may be sent again.
        loop {
            let more = WINDOW - input.waiting.len();
            input.push(&vec![b'x'; more]).unwrap();
            input.feed().unwrap();
            match input.take_untold() {
                Some(untold) => told += untold as usize,
                None => break,
            }
        }
        assert!(told > 0 && input.wants_room().is_some());
        assert_eq!(input.waiting.len(), WINDOW);
        assert!(input.push(b"x").is_err());
    }

    #[test]
    fn what_was_taken_and_not_told_counts_against_the_window() {
        let (pipe, reader) = LiveInput::new().unwrap();
        drop(reader);
        let mut input = WindowedInput::new(pipe);
        input.push(&vec![b'x'; WINDOW]).unwrap();
        input.feed().unwrap();
        assert!(input.wants_room().is_none());
        assert!(input.push(b"x").is_err());
        assert_eq!(input.take_untold(), Some(u32::try_from(WINDOW).unwrap()));
        input.push(b"x").unwrap();
        assert_eq!(input.take_untold(), Some(1));
    }

    #[test]
    fn the_end_is_read_after_what_waits_and_nothing_follows_it() {
        let (pipe, reader) = LiveInput::new().unwrap();
        let mut input = WindowedInput::new(pipe);
        input.push(b"last words").unwrap();
        input.close();
        assert!(input.push(b"x").is_err());
        input.feed().unwrap();
        let mut buffer = [0; 64];
        assert_eq!(rustix::io::read(&reader, &mut buffer).unwrap(), 10);
        assert_eq!(rustix::io::read(&reader, &mut buffer).unwrap(), 0);
        assert!(input.push(b"x").is_err());
    }
}
