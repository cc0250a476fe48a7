//! Network namespaces with nothing but a loopback.

use std::{
    ffi::CStr,
    io::Write,
    mem::{MaybeUninit, zeroed},
    os::fd::AsRawFd,
};

use optimus_common::weaken;
use rustix::{
    fs::{AtFlags, Mode, OFlags, RawDir, chmodat, open},
    io::Errno,
    net::{AddressFamily, SocketFlags, SocketType, socket_with},
};

use crate::{proc_view::NETWORK_SETTINGS, process::last_errno};

/// Not shown by kernels as late as 6.1 where a user namespace other than the host's owns the network. The queue is then as long
/// as the kernel's default allows, and what lies in it is counted all the same, by whoever watches a run.
const SHOWN_TO_THE_HOST_ALONE: &str = "core/somaxconn";

/// What guests may read below `/proc/net`: what their own network is and has counted. The rest is of no use to programs, and some
/// of it counts for the whole host whichever network it is read in, such as `softnet_stat`. The agent
/// itself reads how many sockets there are.
const SHOWN_OF_NETWORKS: [&str; 18] = [
    "arp",
    "dev",
    "if_inet6",
    "ipv6_route",
    "netstat",
    "raw",
    "raw6",
    "route",
    "rt6_stats",
    "snmp",
    "snmp6",
    "tcp",
    "tcp6",
    "udp",
    "udp6",
    "udplite",
    "udplite6",
    "unix",
];

/// `IFF_UP` in the type of its field.
const UP: libc::c_short = 1;

/// Makes this process' network namespace, which is new, ready for guests. Allocates nothing. It takes `CAP_NET_ADMIN` in the
/// user namespace that owns it.
pub fn arrange_network() -> rustix::io::Result<()> {
    raise_loopback()?;
    for (name, value) in NETWORK_SETTINGS {
        let mut path = [0; 64];
        write!(&mut path[..], "/proc/sys/net/{name}\0").map_err(|_| Errno::NAMETOOLONG)?;
        let path = CStr::from_bytes_until_nul(&path).map_err(|_| Errno::NAMETOOLONG)?;
        let file = match open(path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty()) {
            Err(Errno::NOENT) if name == SHOWN_TO_THE_HOST_ALONE => continue,
            opened => opened?,
        };
        rustix::io::write(&file, value.as_bytes())?;
    }
    hide_what_is_not_shown()
}

/// Each process has a `/proc/…/net` of its own, which cannot be covered before there is one. But all of one network show the same
/// entries, and whoever owns the network may say who reads them.
fn hide_what_is_not_shown() -> rustix::io::Result<()> {
    if weaken::is_off("proc-masks") {
        return Ok(());
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = open(c"/proc/thread-self/net", flags, Mode::empty())?;
    let mut buffer = [MaybeUninit::uninit(); 2048];
    let mut entries = RawDir::new(&folder, &mut buffer);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name();
        let is_shown = SHOWN_OF_NETWORKS
            .iter()
            .any(|shown| shown.as_bytes() == name.to_bytes());
        if !is_shown && name != c"." && name != c".." {
            chmodat(&folder, name, Mode::RUSR, AtFlags::empty())?;
        }
    }
    Ok(())
}

fn raise_loopback() -> rustix::io::Result<()> {
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    // SAFETY: zeroes are a valid request.
    let mut request: libc::ifreq = unsafe { zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = libc::c_char::from_ne_bytes([*from]);
    }
    request.ifr_ifru.ifru_flags = UP;
    // SAFETY: the request is a whole one that names an interface and its flags.
    match unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &raw const request) } {
        -1 => Err(last_errno()),
        _ => Ok(()),
    }
}
