//! Sockets.

use super::table::{CommandRow, CommandTable, bits, named, number, pretended, row};
use optimus_linux::seccomp::{Action, Condition};

const fn at(level: libc::c_int) -> Condition {
    Condition::equal(1, level.cast_unsigned())
}

const SOCKET: &[Condition] = &[at(libc::SOL_SOCKET)];
const TCP: &[Condition] = &[at(libc::IPPROTO_TCP)];
const IP: &[Condition] = &[at(libc::IPPROTO_IP)];
const IPV6: &[Condition] = &[at(libc::IPPROTO_IPV6)];

/// Not programs that the kernel runs for each packet, nor marks and devices.
const SET_SOCKET: &[CommandRow] = &[
    row(
        named![SO_REUSEADDR, SO_REUSEPORT, SO_KEEPALIVE, SO_BROADCAST, SO_LINGER],
        "servers and clients: every language",
    ),
    row(named![SO_RCVTIMEO, SO_SNDTIMEO], "time-outs: PHP, Python, Rust"),
    pretended(
        named![SO_SNDBUF, SO_RCVBUF],
        "JavaScript, Java. A kernel may not charge what is in them to anybody, so they stay small",
    ),
];
const SET_TCP: &[CommandRow] = &[
    row(
        named![TCP_NODELAY, TCP_CORK, TCP_QUICKACK],
        "small packets at once, or together: every language",
    ),
    row(
        named![TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT],
        "Go, Java, JavaScript",
    ),
];
const SET_IP: &[CommandRow] = &[row(
    named![IP_TOS, IP_TTL, IP_MULTICAST_TTL, IP_MULTICAST_LOOP],
    "Java, Rust",
)];
const SET_IPV6: &[CommandRow] = &[row(
    named![
        IPV6_V6ONLY,
        IPV6_UNICAST_HOPS,
        IPV6_MULTICAST_HOPS,
        IPV6_MULTICAST_LOOP,
        IPV6_RECVPKTINFO,
        IPV6_TCLASS,
    ],
    "servers for both families: Go, Java, JavaScript, Python",
)];

/// Not numbers that are the same for all of the host, such as cookies.
const GET_SOCKET: &[CommandRow] = &[
    row(
        named![SO_ERROR, SO_TYPE, SO_DOMAIN, SO_PROTOCOL, SO_ACCEPTCONN],
        "how a connection went, and what a socket is: every language",
    ),
    row(
        named![
            SO_REUSEADDR,
            SO_REUSEPORT,
            SO_KEEPALIVE,
            SO_BROADCAST,
            SO_LINGER,
            SO_SNDBUF,
            SO_RCVBUF,
            SO_RCVTIMEO,
            SO_SNDTIMEO,
        ],
        "what was set",
    ),
    row(named![SO_PEERCRED], "who is at the other end: Java, Python"),
];
const GET_TCP: &[CommandRow] = &[row(
    named![
        TCP_NODELAY,
        TCP_CORK,
        TCP_QUICKACK,
        TCP_KEEPIDLE,
        TCP_KEEPINTVL,
        TCP_KEEPCNT,
        TCP_MAXSEG,
    ],
    "what was set: Java",
)];

/// Not out-of-band data, zero copies, or connections that carry data before they are made.
const SEND: &[CommandRow] = &[row(
    named![MSG_DONTWAIT, MSG_NOSIGNAL, MSG_MORE, MSG_EOR],
    "every language",
)];
const RECEIVE: &[CommandRow] = &[row(
    named![
        MSG_DONTWAIT,
        MSG_PEEK,
        MSG_TRUNC,
        MSG_WAITALL,
        MSG_CMSG_CLOEXEC,
        MSG_NOSIGNAL,
        MSG_WAITFORONE,
    ],
    "every language",
)];

const fn set(title: &'static str, also: &'static [Condition], rows: &'static [CommandRow]) -> CommandTable {
    option(libc::SYS_setsockopt, title, also, rows)
}

const fn get(title: &'static str, also: &'static [Condition], rows: &'static [CommandRow]) -> CommandTable {
    option(libc::SYS_getsockopt, title, also, rows)
}

const fn option(
    call: i64,
    title: &'static str,
    also: &'static [Condition],
    rows: &'static [CommandRow],
) -> CommandTable {
    CommandTable {
        call,
        title,
        command_in: number(2),
        also,
        rows,
        otherwise: Action::Refuse(libc::ENOPROTOOPT),
    }
}

/// A message's own flags are looked at by no kernel, but for the end of a record in `sendmmsg`.
const fn message(call: i64, title: &'static str, flags: u8, rows: &'static [CommandRow]) -> CommandTable {
    CommandTable {
        call,
        title,
        command_in: bits(flags),
        also: &[],
        rows,
        otherwise: Action::Refuse(libc::EOPNOTSUPP),
    }
}

pub(super) const TABLES: &[CommandTable] = &[
    set("`setsockopt` of `SOL_SOCKET`", SOCKET, SET_SOCKET),
    set("`setsockopt` of `IPPROTO_TCP`", TCP, SET_TCP),
    set("`setsockopt` of `IPPROTO_IP`", IP, SET_IP),
    set("`setsockopt` of `IPPROTO_IPV6`", IPV6, SET_IPV6),
    get("`getsockopt` of `SOL_SOCKET`", SOCKET, GET_SOCKET),
    get("`getsockopt` of `IPPROTO_TCP`", TCP, GET_TCP),
    get("`getsockopt` of `IPPROTO_IP`", IP, SET_IP),
    get("`getsockopt` of `IPPROTO_IPV6`", IPV6, SET_IPV6),
    message(libc::SYS_sendto, "`sendto`, flags", 3, SEND),
    message(libc::SYS_sendmsg, "`sendmsg`, flags", 2, SEND),
    message(libc::SYS_sendmmsg, "`sendmmsg`, flags", 3, SEND),
    message(libc::SYS_recvfrom, "`recvfrom`, flags", 3, RECEIVE),
    message(libc::SYS_recvmsg, "`recvmsg`, flags", 2, RECEIVE),
    message(libc::SYS_recvmmsg, "`recvmmsg`, flags", 3, RECEIVE),
];
