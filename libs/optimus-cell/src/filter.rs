//! The system call filter of every guest.
//!
//! An allow-list: what [`crate::syscalls`] does not name is refused. A refused call answers `ENOSYS`, as on a kernel
//! that does not have it, because that is the refusal runtimes are written to survive: the C library then falls back
//! from `clone3`, which a filter cannot look into, to `clone`, which it can. System calls of another architecture,
//! such as `int 0x80` on `x86_64`, kill the process; those of x32 have numbers that the list does not contain.
//!
//! Installed by each guest as its last step before `exec`. What it costs decides how the program looks: see
//! [`program`].

mod program;
mod streams;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub(crate) use program::Program;
use program::{Condition, Rule, Test};

use crate::syscalls;

/// What the filter says to one system call number.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Access {
    Always,
    /// Only with arguments that satisfy one of the rules.
    If(Vec<Rule>),
    /// Where the rule holds, answered as a success without being done; else as `otherwise` says.
    Pretended {
        rule: Rule,
        otherwise: Box<Access>,
    },
}

/// `personality` flags that only switch the randomisation of addresses off, or ask without changing anything.
const PERSONALITIES: [u32; 3] = [0, libc::ADDR_NO_RANDOMIZE.cast_unsigned(), 0xffff_ffff];

/// Protocols of a plain socket: the usual one, TCP and UDP. For any other, a kernel may load a module.
const PROTOCOLS: [u32; 3] = [0, 6, 17];

/// Options of sockets that nobody needs here: larger buffers, which the kernel may not charge to anybody, and programs that
/// it runs for each packet.
const BUFFERS_AND_PROGRAMS: [libc::c_int; 8] = [
    libc::SO_SNDBUF,
    libc::SO_RCVBUF,
    libc::SO_SNDBUFFORCE,
    libc::SO_RCVBUFFORCE,
    libc::SO_ATTACH_FILTER,
    libc::SO_ATTACH_BPF,
    libc::SO_ATTACH_REUSEPORT_CBPF,
    libc::SO_ATTACH_REUSEPORT_EBPF,
];

/// The types of a socket without its flags: the two highest bits are `SOCK_NONBLOCK` and `SOCK_CLOEXEC`.
const SOCKET_TYPE: u32 = 0xf;

/// The filter of guests.
pub(crate) fn for_guests() -> Program {
    Program::new(&allow_list())
}

fn allow_list() -> BTreeMap<u32, Access> {
    let number = |number: i64| u32::try_from(number).expect("system calls have small numbers");
    let mut list: BTreeMap<_, _> = syscalls::GUEST
        .iter()
        .map(|call| (number(*call), Access::Always))
        .collect();
    for (call, rules) in [
        (libc::SYS_clone, vec![without_namespaces()]),
        (libc::SYS_socket, vec![sockets()]),
        (
            libc::SYS_socketpair,
            vec![vec![equal(0, libc::AF_UNIX.cast_unsigned())]],
        ),
        (libc::SYS_setsockopt, socket_options()),
        (libc::SYS_ioctl, vec![harmless_ioctls()]),
        (libc::SYS_personality, personalities()),
        // One's own limits only: those of the agent must stay what they are even where it has the guest's UID.
        (libc::SYS_prlimit64, vec![vec![equal(0, 0)]]),
    ] {
        list.insert(number(call), Access::If(rules));
    }
    streams::keep_blocking(&mut list);
    list
}

fn condition(argument: u8, test: Test) -> Condition {
    Condition { argument, test }
}

fn equal(argument: u8, value: u32) -> Condition {
    condition(argument, Test::Equal(value))
}

/// `clone` that makes threads and processes, but no new namespace.
fn without_namespaces() -> Rule {
    let namespaces = libc::CLONE_NEWUSER
        | libc::CLONE_NEWNS
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWNET
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWCGROUP;
    vec![condition(0, Test::NoneOf(namespaces.cast_unsigned()))]
}

/// Local and internet sockets of the two usual types. The box has no network but its own loopback.
fn sockets() -> Rule {
    const FAMILIES: [u32; 3] = [1, 2, 10];
    const TYPES: [u32; 2] = [1, 2];
    const {
        assert!(libc::AF_UNIX == 1 && libc::AF_INET == 2 && libc::AF_INET6 == 10);
        assert!(libc::SOCK_STREAM == 1 && libc::SOCK_DGRAM == 2);
    }
    let one_of = |mask, values| Test::OneOf { mask, values };
    vec![
        condition(0, one_of(u32::MAX, &FAMILIES)),
        condition(1, one_of(SOCKET_TYPE, &TYPES)),
        condition(2, one_of(u32::MAX, &PROTOCOLS)),
    ]
}

/// All but [`BUFFERS_AND_PROGRAMS`], and flow labels, which outlive their socket and are seen by whoever comes next.
fn socket_options() -> Vec<Rule> {
    let (socket, ipv6) = (
        libc::SOL_SOCKET.cast_unsigned(),
        libc::IPPROTO_IPV6.cast_unsigned(),
    );
    let (level, name) = (1, 2);
    let harmless = BUFFERS_AND_PROGRAMS.map(|option| condition(name, Test::NotEqual(option.cast_unsigned())));
    vec![
        vec![
            condition(level, Test::NotEqual(socket)),
            condition(level, Test::NotEqual(ipv6)),
        ],
        [&[equal(level, socket)], &harmless[..]].concat(),
        vec![
            equal(level, ipv6),
            condition(name, Test::NotEqual(libc::IPV6_FLOWLABEL_MGR.cast_unsigned())),
        ],
    ]
}

/// All but those that type into a terminal somebody else reads.
fn harmless_ioctls() -> Rule {
    [libc::TIOCSTI, libc::TIOCLINUX, libc::TIOCSETD]
        .into_iter()
        .map(|request| {
            let request = u32::try_from(request).expect("requests have 32 bits");
            condition(1, Test::NotEqual(request))
        })
        .collect()
}

fn personalities() -> Vec<Rule> {
    PERSONALITIES.map(|flags| vec![equal(0, flags)]).into()
}
