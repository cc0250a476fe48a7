//! Memory of TCP connections that no control group is charged for.
//!
//! What a connection has received belongs to nobody until somebody accepts it, and the socket that the kernel makes for it
//! neither. Connections that nobody accepts need no open files once those who made them are gone, so only the number of
//! listening sockets would bound them: gigabytes, up to where the whole host has no memory for TCP left. So connections are
//! counted, and what there are more of than a program has that uses them is the run's memory.

use std::{fs::File, io, os::unix::fs::FileExt};

use rustix::io::Errno;

use crate::error::CellError;

/// Sockets of a network that are nobody's memory: 256 connections to oneself have both of their ends there.
const FREE: u64 = 512;

/// The kernel's structure of a socket, and what it receives before somebody reads. See [`optimus_linux::proc_view::NETWORK_SETTINGS`].
const BYTES_EACH: u64 = 20 << 10;

/// Where the kernel counts them, below `/proc/net`. Guests do not see these, since they count for the whole host besides; whoever makes
/// a network for an agent gives them to it.
pub const HIDDEN_COUNTERS: [&str; 2] = ["sockstat", "sockstat6"];

/// Longer than any of them.
const LONGEST: usize = 1024;

/// Where one network's sockets are counted.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    /// For each family; none before the first look, and of a process that is gone.
    counters: Vec<File>,
}

impl Connections {
    /// What the connections of this process' network hold beyond the free ones, at this moment.
    pub(crate) fn bytes(&mut self, pid: i32) -> Result<u64, CellError> {
        if self.counters.is_empty() {
            // Not before it is asked for: most runs are over by then.
            let opened = HIDDEN_COUNTERS.iter().filter_map(|name| {
                match File::open(format!("/proc/{pid}/net/{name}")) {
                    Err(error) if is_nothing_there(&error) => None,
                    opened => Some(opened),
                }
            });
            self.counters = opened
                .collect::<io::Result<_>>()
                .map_err(|source| CellError::System {
                    operation: "count connections",
                    source,
                })?;
        }
        let mut sockets = 0;
        for counter in &self.counters {
            let mut text = [0; LONGEST];
            let read = counter
                .read_at(&mut text, 0)
                .map_err(|source| CellError::System {
                    operation: "count connections",
                    source,
                })?;
            sockets += in_use(std::str::from_utf8(&text[..read]).unwrap_or_default());
        }
        Ok(bytes_of(sockets))
    }
}

/// The process is gone, or the kernel has only one family.
fn is_nothing_there(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(Errno::SRCH.raw_os_error())
}

fn bytes_of(sockets: u64) -> u64 {
    sockets.saturating_sub(FREE).saturating_mul(BYTES_EACH)
}

/// TCP sockets in a text as the kernel writes it.
fn in_use(text: &str) -> u64 {
    text.lines()
        .filter_map(|line| {
            let rest = line
                .strip_prefix("TCP: inuse ")
                .or_else(|| line.strip_prefix("TCP6: inuse "))?;
            rest.split_ascii_whitespace().next()?.parse::<u64>().ok()
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn sockets_of_both_families_are_counted() {
        let first = "sockets: used 7\nTCP: inuse 5 orphan 1 tw 0 alloc 9 mem 3\nUDP: inuse 4 mem 1\n";
        let second = "TCP6: inuse 2\nUDP6: inuse 1\n";
        assert_eq!((in_use(first), in_use(second), in_use("")), (5, 2, 0));
    }

    #[test]
    fn a_few_are_free() {
        assert_eq!(
            (bytes_of(0), bytes_of(FREE), bytes_of(FREE + 1)),
            (0, 0, BYTES_EACH)
        );
    }

    #[test]
    fn connections_that_nobody_accepts_are_seen_when_their_makers_have_closed_them() {
        let own = std::process::id().cast_signed();
        let (listening, each) = (8, 96);
        let servers: Vec<_> = (0..listening)
            .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
            .collect();
        for server in &servers {
            for _ in 0..each {
                drop(TcpStream::connect(server.local_addr().unwrap()).unwrap());
            }
        }
        let seen = Connections::default().bytes(own).unwrap();
        assert!(seen >= bytes_of(listening * each), "{seen}");
        assert!(seen > 0);
    }
}
