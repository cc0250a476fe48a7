//! Network namespaces with nothing but a loopback that is up.

use std::{
    collections::VecDeque,
    io,
    os::fd::{AsFd, OwnedFd},
};

use optimus_linux::{network::arrange_network, process::unshare};
use rustix::{
    fs::{CWD, Mode, OFlags, openat},
    thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space},
};

use super::failure::Failure;

/// How many wait for their boxes. Making one takes the kernel from a third of a millisecond to several.
const READY: usize = 8;

/// Makes network namespaces ahead. None is used twice.
#[derive(Debug)]
pub(super) struct NetnsPool {
    /// Where the spawner itself is: in one of its own, with no network at all, to which an ordinary user may return.
    home: OwnedFd,
    ready: VecDeque<OwnedFd>,
}

impl NetnsPool {
    pub(super) fn new() -> Result<Self, Failure> {
        unshare(UnshareFlags::NEWNET).map_err(Failure::at("make a network namespace"))?;
        Ok(Self {
            home: current().map_err(Failure::at("open this process' network namespace"))?,
            ready: VecDeque::new(),
        })
    }

    pub(super) fn is_full(&self) -> bool {
        self.ready.len() >= READY
    }

    pub(super) fn fill(&mut self) -> Result<(), Failure> {
        let net = self.make()?;
        self.ready.push_back(net);
        Ok(())
    }

    pub(super) fn take(&mut self) -> Result<OwnedFd, Failure> {
        match self.ready.pop_front() {
            Some(net) => Ok(net),
            None => self.make(),
        }
    }

    fn make(&self) -> Result<OwnedFd, Failure> {
        unshare(UnshareFlags::NEWNET).map_err(Failure::at("make a network namespace"))?;
        let made = arrange_network()
            .map_err(io::Error::from)
            .and_then(|()| current());
        move_into_link_name_space(self.home.as_fd(), Some(LinkNameSpaceType::Network))
            .map_err(Failure::at("return to the spawner's network namespace"))?;
        made.map_err(Failure::at("make a network namespace ready"))
    }
}

fn current() -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    Ok(openat(CWD, "/proc/self/ns/net", flags, Mode::empty())?)
}
