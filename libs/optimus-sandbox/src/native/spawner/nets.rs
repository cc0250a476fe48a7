//! Network namespaces with nothing but a loopback that is up.

use std::{
    collections::VecDeque,
    fs, io,
    mem::zeroed,
    os::fd::{AsFd, AsRawFd, OwnedFd},
};

use rustix::{
    fs::{CWD, Mode, OFlags, openat},
    net::{AddressFamily, SocketFlags, SocketType, socket_with},
    thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space},
};

use super::{failure::Failure, unshare};
use crate::backend::NETWORK_SETTINGS;

/// How many wait for their boxes. Making one takes the kernel from a third of a millisecond to several.
const READY: usize = 8;

/// `IFF_UP` in the type of its field.
const UP: libc::c_short = 1;

/// Makes network namespaces ahead. None is used twice.
#[derive(Debug)]
pub(super) struct Nets {
    /// Where the spawner itself is: in one of its own, with no network at all, to which an ordinary user may return.
    home: OwnedFd,
    ready: VecDeque<OwnedFd>,
}

impl Nets {
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
        let made = raise_loopback()
            .and_then(|()| arrange_connections())
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

fn arrange_connections() -> io::Result<()> {
    NETWORK_SETTINGS
        .iter()
        .try_for_each(|(name, value)| fs::write(format!("/proc/sys/net/ipv4/{name}"), value))
}

fn raise_loopback() -> io::Result<()> {
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    // SAFETY: zeroes are a valid request.
    let mut request: libc::ifreq = unsafe { zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = from.cast_signed();
    }
    request.ifr_ifru.ifru_flags = UP;
    // SAFETY: the request is a whole one that names an interface and its flags.
    match unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &raw const request) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}
