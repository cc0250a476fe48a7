//! Files, descriptors and devices.

use super::table::{CommandArgument, CommandRow, CommandTable, bits, named, number, pretended, refused, row};
use optimus_linux::seccomp::{Action, Condition};

/// Signals for whoever reads: nobody uses them, and the kernel had faults there. Reading past what is in memory: see [`OPEN`]; of
/// a pipe it makes one of packets.
pub(crate) const FLAGS_NOT_SET: u32 = (libc::O_ASYNC | libc::O_DIRECT).cast_unsigned();

const WITHOUT_THOSE: &[Condition] = &[Condition::none_of(2, FLAGS_NOT_SET)];

const FCNTL: &[CommandRow] = &[
    row(
        named![F_DUPFD, F_DUPFD_CLOEXEC],
        "a second number for a descriptor: shells, Python, Rust",
    ),
    row(
        named![F_GETFD, F_SETFD],
        "what is closed by `exec`: every language",
    ),
    row(named![F_GETFL], "how a descriptor was opened: every language"),
    row(
        named![F_GETPIPE_SZ],
        "the size of a pipe: GNU tools, Python's `subprocess`. It cannot be changed: a pipe of one page is full at once, and \
         what large ones hold is the kernel's own memory",
    ),
    row(
        named![F_GET_SEALS, F_ADD_SEALS],
        "files in memory that cannot be changed any more: libraries that share memory",
    ),
    row(
        named![F_GETLK, F_OFD_GETLK],
        "whether somebody has locked a part of a file (nobody ever has): SQLite, with its write-ahead log",
    ),
    pretended(
        named![F_SETLK, F_OFD_SETLK],
        "SQLite, Java's `tryLock`. The kernel charges record locks to nobody, and their number has no bound. Granted without \
         being made: nobody else sees the files of a run",
    ),
    refused(
        named![F_SETLKW, F_OFD_SETLKW],
        libc::ENOLCK,
        "who waits for a record lock means to exclude another process, and is told that there are none. `flock` excludes",
    ),
];

const SET_FLAGS: &[CommandRow] = &[row(
    named![F_SETFL],
    "asynchronous input and output: Go, Java, JavaScript, Rust, shells",
)];

/// There is no terminal in a box: what asks for one is told so by the kernel.
const IOCTL: &[CommandRow] = &[
    row(
        named![FIONBIO],
        "sockets and pipes that do not block: JavaScript, Python, Rust",
    ),
    row(named![FIOCLEX, FIONCLEX], "what is closed by `exec`: Python"),
    row(
        named![FIONREAD, TIOCOUTQ],
        "how much there is to read: Java, Python",
    ),
    row(
        named![TCGETS, TIOCGWINSZ, TIOCGPGRP],
        "whether a stream is a terminal: every language",
    ),
];

const RENAME: &[CommandRow] = &[row(
    &[
        ("RENAME_NOREPLACE", libc::RENAME_NOREPLACE),
        ("RENAME_EXCHANGE", libc::RENAME_EXCHANGE),
    ],
    "GNU tools, Rust",
)];

/// Not the number by which a mount is like no other before it: it counts the mounts of the whole host, of which each run makes some.
const STATUS: &[CommandRow] = &[row(
    named![STATX_BASIC_STATS, STATX_BTIME, STATX_MNT_ID],
    "what a file is: every language",
)];

const PIPE: &[CommandRow] = &[row(
    named![O_CLOEXEC, O_NONBLOCK],
    "every language. Not pipes of packets, nor those of notifications",
)];

/// As large as the kernel's own, which the C library may hide.
const O_LARGEFILE: u32 = if cfg!(target_arch = "x86_64") {
    0o100_000
} else {
    0o400_000
};

/// Not `O_DIRECT`, which reads from a disk what is in memory: in containers, again and again, from the host's.
const OPEN: &[CommandRow] = &[
    row(
        named![O_WRONLY, O_RDWR, O_CREAT, O_EXCL, O_TRUNC, O_APPEND, O_CLOEXEC],
        "every language",
    ),
    row(
        named![O_DIRECTORY, O_NOFOLLOW, O_PATH, O_TMPFILE],
        "folders, links, and files without a name: every language",
    ),
    row(
        named![O_NONBLOCK, O_NOCTTY, O_NOATIME],
        "pipes and terminals: GNU tools, Go, Java, Python",
    ),
    row(
        named![O_DSYNC, O_SYNC],
        "data bases. What can be written to is in memory",
    ),
    row(
        &[("O_LARGEFILE", O_LARGEFILE)],
        "other C libraries than GNU's, Java; the kernel sets it anyway",
    ),
];

const SYNC: &[CommandRow] = &[pretended(
    &[],
    "SQLite, editors. What a run writes is on no disk, and a descriptor opened for reading would do to force the host's",
)];

const ADVICE: &[CommandRow] = &[
    row(
        named![
            POSIX_FADV_NORMAL,
            POSIX_FADV_RANDOM,
            POSIX_FADV_SEQUENTIAL,
            POSIX_FADV_NOREUSE,
        ],
        "how a file will be read: GNU tools, Go, Java, JavaScript, PHP",
    ),
    pretended(
        named![POSIX_FADV_WILLNEED, POSIX_FADV_DONTNEED],
        "GNU tools, data bases. What the host keeps in memory of files that boxes share is nobody's to change: it would be a \
         notebook, and a way to slow others down",
    ),
];

const READ_AHEAD: &[CommandRow] = &[pretended(&[], "as the advice that a file will be needed")];

/// Pages of a file that are handed on instead of copied belong to no file and no process any more once the file is cut short: they
/// are charged, and in no part of the charge that can be told from what the kernel gives back. And each piece takes a place in a
/// pipe, so that a few bytes fill it. Every runtime looked at falls back from this answer to reading and writing, some from no other
/// one (Go with `splice`; Java and JavaScript with `sendfile`).
const HANDING_ON: &[CommandRow] = &[refused(
    &[],
    libc::EINVAL,
    "C#, Go, Java, JavaScript, Python, Ruby, Rust, which read and write instead. What is handed on without being copied is memory that \
     nobody can be seen to have",
)];

/// Not `RWF_NOWAIT`, which tells what the host keeps in memory.
const READ_AND_WRITE: &[CommandRow] = &[row(
    &[("RWF_DSYNC", 2), ("RWF_SYNC", 4), ("RWF_APPEND", 16)],
    "nobody as far as was seen; the calls themselves are those that the C library falls back from",
)];

const fn opening(call: i64, title: &'static str, flags: u8) -> CommandTable {
    CommandTable {
        call,
        title,
        command_in: bits(flags),
        also: &[],
        rows: OPEN,
        otherwise: Action::Refuse(libc::EINVAL),
    }
}

/// A call that has one answer whatever it is called with.
const fn always(
    call: i64,
    title: &'static str,
    rows: &'static [CommandRow],
    otherwise: Action,
) -> CommandTable {
    CommandTable {
        call,
        title,
        command_in: CommandArgument::Nothing,
        also: &[],
        rows,
        otherwise,
    }
}

pub(super) const TABLES: &[CommandTable] = &[
    CommandTable {
        call: libc::SYS_fcntl,
        title: "`fcntl`",
        command_in: number(1),
        also: &[],
        rows: FCNTL,
        otherwise: Action::Refuse(libc::EINVAL),
    },
    CommandTable {
        call: libc::SYS_fcntl,
        title: "`fcntl`, without `O_ASYNC` and `O_DIRECT`",
        command_in: number(1),
        also: WITHOUT_THOSE,
        rows: SET_FLAGS,
        otherwise: Action::Refuse(libc::EINVAL),
    },
    CommandTable {
        call: libc::SYS_ioctl,
        title: "`ioctl`",
        command_in: number(1),
        also: &[],
        rows: IOCTL,
        otherwise: Action::Refuse(libc::ENOTTY),
    },
    CommandTable {
        call: libc::SYS_renameat2,
        title: "`renameat2`, flags",
        command_in: bits(4),
        also: &[],
        rows: RENAME,
        otherwise: Action::Refuse(libc::EINVAL),
    },
    CommandTable {
        call: libc::SYS_statx,
        title: "`statx`, what is asked for",
        command_in: bits(3),
        also: &[],
        rows: STATUS,
        otherwise: Action::Refuse(libc::EINVAL),
    },
    CommandTable {
        call: libc::SYS_pipe2,
        title: "`pipe2`, flags",
        command_in: bits(1),
        also: &[],
        rows: PIPE,
        otherwise: Action::Refuse(libc::EINVAL),
    },
    #[cfg(target_arch = "x86_64")]
    opening(libc::SYS_open, "`open`, flags", 1),
    opening(libc::SYS_openat, "`openat`, flags", 2),
    always(libc::SYS_fsync, "`fsync`", SYNC, Action::PRETEND),
    always(libc::SYS_fdatasync, "`fdatasync`", SYNC, Action::PRETEND),
    always(
        libc::SYS_sync_file_range,
        "`sync_file_range`",
        SYNC,
        Action::PRETEND,
    ),
    CommandTable {
        call: libc::SYS_fadvise64,
        title: "`fadvise64`",
        command_in: number(3),
        also: &[],
        rows: ADVICE,
        otherwise: Action::Refuse(libc::EINVAL),
    },
    always(libc::SYS_readahead, "`readahead`", READ_AHEAD, Action::PRETEND),
    always(
        libc::SYS_sendfile,
        "`sendfile`",
        HANDING_ON,
        Action::Refuse(libc::EINVAL),
    ),
    always(
        libc::SYS_splice,
        "`splice`",
        HANDING_ON,
        Action::Refuse(libc::EINVAL),
    ),
    CommandTable {
        call: libc::SYS_preadv2,
        title: "`preadv2`, flags",
        command_in: bits(5),
        also: &[],
        rows: READ_AND_WRITE,
        otherwise: Action::Refuse(libc::EOPNOTSUPP),
    },
    CommandTable {
        call: libc::SYS_pwritev2,
        title: "`pwritev2`, flags",
        command_in: bits(5),
        also: &[],
        rows: READ_AND_WRITE,
        otherwise: Action::Refuse(libc::EOPNOTSUPP),
    },
];
