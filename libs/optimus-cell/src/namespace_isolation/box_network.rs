//! Which network a run gets: one that nobody has used before it.
//!
//! Whatever goes over a loopback is counted, and the next run could read the counters: a second try could be told by the
//! first one where to go on. Making a network namespace takes the kernel a third of a millisecond to several, and hardly a run
//! needs one. So runs have the box's as long as its counters are what they were when the box was made, and nobody else
//! has it at the moment; any other run gets a new one, which goes with it.
//!
//! The counters are those of packets, of addresses that there was no way to, and of the ways that the kernel keeps for
//! sockets of the second family that were connected, though nothing was sent. What cannot be read counts as used.

use std::{
    cell::{Cell, RefCell},
    fs::File,
    os::unix::fs::FileExt,
    rc::Rc,
};

use optimus_common::weaken;

/// Counters of both families, and what the second one keeps for each CPU. The rest of `/proc/net` shows what is open now, or
/// counts what is counted here too.
const COUNTERS: [&str; 4] = ["snmp", "snmp6", "rt6_stats", "ipv6_route"];

/// Longer than any of them.
const LONGEST: usize = 16 << 10;

/// The box's own network namespace, which the agent is in.
#[derive(Debug)]
pub(crate) struct BoxNetwork {
    /// With what they were when the box was made; of a kernel without the second family the second one is missing.
    counters: Vec<(File, Vec<u8>)>,
    /// What they are read into.
    buffer: RefCell<Vec<u8>>,
    state: Cell<BoxNetworkState>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BoxNetworkState {
    Fresh,
    /// A run has it.
    Occupied,
    /// A run had it, and may have used it.
    Left,
    Used,
}

/// What a run has for a network.
#[derive(Debug)]
pub(super) enum RunNetwork {
    /// The box's, given back when the run is over.
    OfBox(Rc<BoxNetwork>),
    /// To be made by the run's first process.
    OfRun,
}

impl BoxNetwork {
    /// Of the calling process, where nobody has been yet.
    pub(crate) fn of_this_process() -> Self {
        Self::of("/proc/self/net")
    }

    fn of(folder: &str) -> Self {
        let mut buffer = vec![0; LONGEST];
        let counters: Vec<_> = COUNTERS
            .iter()
            .filter_map(|name| {
                let file = File::open(format!("{folder}/{name}")).ok()?;
                let text = read(&file, &mut buffer)?.to_vec();
                Some((file, text))
            })
            .collect();
        let state = if counters.is_empty() {
            BoxNetworkState::Used
        } else {
            BoxNetworkState::Fresh
        };
        Self {
            counters,
            buffer: RefCell::new(buffer),
            state: Cell::new(state),
        }
    }

    /// Looks whether the last run has used it. Best called while there is nothing else to do.
    pub(crate) fn check_use(&self) {
        if self.state.get() == BoxNetworkState::Left {
            let mut buffer = self.buffer.borrow_mut();
            let fresh = self
                .counters
                .iter()
                .all(|(file, before)| read(file, &mut buffer) == Some(before));
            self.state.set(if fresh {
                BoxNetworkState::Fresh
            } else {
                BoxNetworkState::Used
            });
        }
    }

    pub(super) fn network_for_next_run(network: &Rc<Self>) -> RunNetwork {
        if weaken::is_off("cell-network-namespace") {
            return RunNetwork::OfBox(Rc::clone(network));
        }
        network.check_use();
        if network.state.get() != BoxNetworkState::Fresh {
            return RunNetwork::OfRun;
        }
        network.state.set(BoxNetworkState::Occupied);
        RunNetwork::OfBox(Rc::clone(network))
    }
}

impl Drop for RunNetwork {
    fn drop(&mut self) {
        if let Self::OfBox(network) = self {
            network.state.set(BoxNetworkState::Left);
        }
    }
}

fn read<'a>(file: &File, buffer: &'a mut [u8]) -> Option<&'a [u8]> {
    let length = file.read_at(buffer, 0).ok()?;
    buffer.get(..length).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use rustix::{
        io::Errno,
        thread::{UnshareFlags, unshare_unsafe},
    };

    use super::*;
    use optimus_linux::network::arrange_network;
    use optimus_testkit::passed_over;

    fn is_of_box(network: &RunNetwork) -> bool {
        matches!(network, RunNetwork::OfBox(_))
    }

    /// In a network namespace of its own, which takes root.
    fn alone(test: impl FnOnce() + Send + 'static) {
        let thread = std::thread::spawn(move || {
            // SAFETY: no descriptor or memory is unshared.
            match unsafe { unshare_unsafe(UnshareFlags::NEWNET) } {
                Err(Errno::PERM) => return passed_over::because("only root has networks to make"),
                unshared => unshared.unwrap(),
            }
            arrange_network().unwrap();
            test();
        });
        thread.join().unwrap();
    }

    #[test]
    fn a_network_is_handed_on_only_if_nothing_was_sent() {
        alone(|| {
            let of_box = Rc::new(BoxNetwork::of("/proc/thread-self/net"));
            let first = BoxNetwork::network_for_next_run(&of_box);
            assert!(is_of_box(&first));
            assert!(
                !is_of_box(&BoxNetwork::network_for_next_run(&of_box)),
                "somebody has it"
            );
            drop(first);
            let second = BoxNetwork::network_for_next_run(&of_box);
            assert!(is_of_box(&second), "nobody has used it");
            // There is no way to there.
            let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
            socket.connect("192.0.2.1:9").unwrap_err();
            drop((socket, second));
            assert!(!is_of_box(&BoxNetwork::network_for_next_run(&of_box)));
            assert!(!is_of_box(&BoxNetwork::network_for_next_run(&of_box)), "for good");
        });
    }

    #[test]
    fn packets_of_both_families_are_seen() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            alone(move || {
                let of_box = Rc::new(BoxNetwork::of("/proc/thread-self/net"));
                drop(BoxNetwork::network_for_next_run(&of_box));
                let of_run = BoxNetwork::network_for_next_run(&of_box);
                assert!(is_of_box(&of_run));
                let socket = UdpSocket::bind(address).unwrap();
                socket.send_to(b"note", socket.local_addr().unwrap()).unwrap();
                drop((socket, of_run));
                assert!(
                    !is_of_box(&BoxNetwork::network_for_next_run(&of_box)),
                    "{address}"
                );
            });
        }
    }

    #[test]
    fn a_way_that_was_only_asked_for_is_seen() {
        alone(|| {
            let of_box = Rc::new(BoxNetwork::of("/proc/thread-self/net"));
            let of_run = BoxNetwork::network_for_next_run(&of_box);
            assert!(is_of_box(&of_run));
            let socket = UdpSocket::bind("[::1]:0").unwrap();
            socket.connect("[::1]:9").unwrap();
            drop((socket, of_run));
            assert!(!is_of_box(&BoxNetwork::network_for_next_run(&of_box)));
        });
    }
}
