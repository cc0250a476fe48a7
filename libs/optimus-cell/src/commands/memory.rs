//! Memory.

use super::table::{CommandArgument, CommandRow, CommandTable, bits, named, number, pretended, row};
use optimus_linux::seccomp::{Action, Width};

/// The kernel takes 64 bits here.
const fn whole(argument: u8) -> CommandArgument {
    let width = Width::Whole;
    CommandArgument::Bits { argument, width }
}

/// Not `MAP_HUGETLB`: huge pages are taken out of a pool of the host's, and no limit of memory counts them.
const MAP: &[CommandRow] = &[
    row(
        named![MAP_SHARED, MAP_PRIVATE, MAP_FIXED, MAP_ANONYMOUS],
        "every language",
    ),
    row(
        named![MAP_NORESERVE, MAP_STACK, MAP_FIXED_NOREPLACE],
        "heaps and stacks: every language",
    ),
    row(
        named![MAP_DENYWRITE, MAP_EXECUTABLE],
        "the C library, for programs; the kernel ignores them",
    ),
    row(
        named![MAP_POPULATE, MAP_NONBLOCK, MAP_LOCKED],
        "memory that is there at once: Java, C and C++",
    ),
    #[cfg(target_arch = "x86_64")]
    row(named![MAP_32BIT], "compilers at run time: LuaJIT, Mono, PHP"),
];

const REMAP: &[CommandRow] = &[row(
    named![MREMAP_MAYMOVE, MREMAP_FIXED],
    "`realloc`: every language",
)];

/// Not those that merge, poison or page out, which reach into memory that others share or use CPU time of nobody's.
const ADVICE: &[CommandRow] = &[
    row(
        named![MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED],
        "how a file that is mapped will be read: Python, Rust, data bases",
    ),
    row(
        named![MADV_DONTNEED, MADV_FREE],
        "memory that is given back: every language",
    ),
    row(
        named![MADV_HUGEPAGE, MADV_NOHUGEPAGE],
        "large pages that are charged: Go, Java, Rust",
    ),
    row(
        named![MADV_DONTFORK, MADV_DOFORK, MADV_WIPEONFORK, MADV_KEEPONFORK],
        "what children get: JavaScript, libraries of cryptography",
    ),
    row(
        named![MADV_DONTDUMP, MADV_DODUMP],
        "what would be in a dump: Java, JavaScript, Ruby",
    ),
];

const SYNC: &[CommandRow] = &[
    row(
        &[("0", 0), ("MS_ASYNC", libc::MS_ASYNC.cast_unsigned())],
        "whether there is memory at an address: libraries that walk through a stack",
    ),
    pretended(
        named![MS_SYNC],
        "Java, data bases. What a run writes is on no disk, and a file mapped for reading would do to force the host's",
    ),
];

const MEMORY_FILE: &[CommandRow] = &[row(
    &[
        ("MFD_CLOEXEC", libc::MFD_CLOEXEC),
        ("MFD_ALLOW_SEALING", libc::MFD_ALLOW_SEALING),
        ("MFD_NOEXEC_SEAL", 8),
        ("MFD_EXEC", 16),
    ],
    "Python, C#. Not huge pages",
)];

pub(super) const TABLES: &[CommandTable] = &[
    CommandTable {
        call: libc::SYS_mmap,
        title: "`mmap`, flags",
        command_in: whole(3),
        also: &[],
        rows: MAP,
        otherwise: Action::Refuse(libc::EINVAL),
    },
    CommandTable {
        call: libc::SYS_mremap,
        title: "`mremap`, flags",
        command_in: whole(3),
        also: &[],
        rows: REMAP,
        otherwise: Action::Refuse(libc::EINVAL),
    },
    CommandTable {
        call: libc::SYS_madvise,
        title: "`madvise`",
        command_in: number(2),
        also: &[],
        rows: ADVICE,
        otherwise: Action::Refuse(libc::EINVAL),
    },
    CommandTable {
        call: libc::SYS_msync,
        title: "`msync`, with `MS_INVALIDATE` or without",
        command_in: CommandArgument::Number {
            argument: 2,
            ignoring: libc::MS_INVALIDATE.cast_unsigned(),
        },
        also: &[],
        rows: SYNC,
        otherwise: Action::Refuse(libc::EINVAL),
    },
    CommandTable {
        call: libc::SYS_memfd_create,
        title: "`memfd_create`, flags",
        command_in: bits(1),
        also: &[],
        rows: MEMORY_FILE,
        otherwise: Action::Refuse(libc::EINVAL),
    },
];
