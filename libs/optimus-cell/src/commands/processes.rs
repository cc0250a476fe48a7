//! Processes, threads and what they may use.

use super::table::{CommandArgument, CommandRow, CommandTable, bits, named, number, pretended, row};
use optimus_linux::seccomp::{Action, Condition};

/// Not `PR_SET_SECCOMP`, whose filters are kernel memory that nobody is charged for, out of a share for the whole host, and can
/// write to the host's log; not `PR_SET_VMA`, whose names are such memory too (Go and PHP do without).
const PRCTL: &[CommandRow] = &[
    row(
        named![PR_SET_NAME, PR_GET_NAME],
        "names of threads: C, Java, Ruby, Rust",
    ),
    row(
        named![PR_SET_PDEATHSIG, PR_GET_PDEATHSIG],
        "children that end with their parent: Go, C",
    ),
    row(
        named![PR_SET_DUMPABLE, PR_GET_DUMPABLE],
        "programs that keep secrets; what measures a run does not depend on it",
    ),
    row(
        named![PR_SET_NO_NEW_PRIVS, PR_GET_NO_NEW_PRIVS, PR_CAPBSET_READ],
        "what is forbidden already: GNU tools",
    ),
    row(
        named![PR_SET_CHILD_SUBREAPER, PR_GET_CHILD_SUBREAPER],
        "programs that start others and wait for all of them",
    ),
    row(
        named![PR_SET_THP_DISABLE, PR_GET_THP_DISABLE],
        "memory in small pages: Ruby",
    ),
    #[cfg(target_arch = "aarch64")]
    row(&[("PR_SVE_SET_VL", 50), ("PR_SVE_GET_VL", 51)], "vectors: Java"),
];

/// Not those with priority inheritance, which hardly a program uses and kernels had grave faults in.
const FUTEX: &[CommandRow] = &[
    row(
        named![FUTEX_WAIT, FUTEX_WAKE, FUTEX_WAIT_BITSET, FUTEX_WAKE_BITSET],
        "every language with threads",
    ),
    row(
        named![FUTEX_REQUEUE, FUTEX_CMP_REQUEUE, FUTEX_WAKE_OP],
        "older C libraries, and others than GNU's",
    ),
];

/// With `FUTEX_PRIVATE_FLAG` and `FUTEX_CLOCK_REALTIME`, or without.
const FUTEX_FLAGS: u32 = 128 | 256;

/// Not those that reach processes outside of the caller's, or wait for all of the host's CPUs.
const BARRIERS: &[CommandRow] = &[row(
    &[
        ("MEMBARRIER_CMD_QUERY", 0),
        ("MEMBARRIER_CMD_PRIVATE_EXPEDITED", 8),
        ("MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED", 16),
        ("MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE", 32),
        ("MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE", 64),
    ],
    "Java, JavaScript, C#",
)];

/// Not `RLIMIT_CORE`: a guest that made it 0 would have its crashes handled by the host's handler, as root.
const LIMITS: &[CommandRow] = &[row(
    named![
        RLIMIT_CPU,
        RLIMIT_FSIZE,
        RLIMIT_DATA,
        RLIMIT_STACK,
        RLIMIT_RSS,
        RLIMIT_NPROC,
        RLIMIT_NOFILE,
        RLIMIT_MEMLOCK,
        RLIMIT_AS,
    ],
    "less than one has: C compilers, Go, Java, Python, shells",
)];

/// One's own limits only: those of the agent must stay what they are even where it has the guest's UID.
const OWN_LIMITS: &[Condition] = &[Condition::equal(0, 0), Condition::not_zero(2)];
const ASKING_FOR_OWN_LIMITS: &[Condition] = &[Condition::equal(0, 0), Condition::zero(2)];

const ASKING: &[CommandRow] = &[row(&[], "every language")];

/// Nobody becomes slower than the others of the run, who could then keep what they hold (a pipe, a map of memory, an answer that
/// they have yet to take) from the agent for as long as they like.
const POLICIES: &[CommandRow] = &[
    row(
        &[
            ("SCHED_OTHER", libc::SCHED_OTHER.cast_unsigned()),
            ("SCHED_BATCH", libc::SCHED_BATCH.cast_unsigned()),
        ],
        "`pthread_setschedparam`: C, C++",
    ),
    pretended(
        &[("SCHED_IDLE", libc::SCHED_IDLE.cast_unsigned())],
        "`pthread_setschedparam`, `chrt`",
    ),
];

const PRIORITIES: &[CommandRow] = &[pretended(&[("0 to 31", 31)], "`nice`: shells, C, Python")];

/// The classes `IOPRIO_CLASS_NONE`, `_BE` and `_IDLE`, above 13 bits of a level.
const DISK_PRIORITIES: &[CommandRow] = &[pretended(
    &[
        ("IOPRIO_CLASS_NONE", 0),
        ("IOPRIO_CLASS_BE", 2 << 13),
        ("IOPRIO_CLASS_IDLE", 3 << 13),
    ],
    "`ionice`: what a run reads is in memory",
)];
const LEVEL_OF_DISK_PRIORITY: u32 = (1 << 13) - 1;

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: &[CommandRow] = &[
    row(
        &[
            ("ARCH_SET_FS", 0x1002),
            ("ARCH_GET_FS", 0x1003),
            ("ARCH_SET_GS", 0x1001),
            ("ARCH_GET_GS", 0x1004),
        ],
        "every program, when it starts",
    ),
    row(
        &[
            ("ARCH_CET_STATUS", 0x3001),
            ("ARCH_SHSTK_ENABLE", 0x5001),
            ("ARCH_SHSTK_DISABLE", 0x5002),
            ("ARCH_SHSTK_LOCK", 0x5003),
            ("ARCH_SHSTK_STATUS", 0x5005),
        ],
        "shadow stacks: the C library",
    ),
    row(
        &[
            ("ARCH_GET_XCOMP_SUPP", 0x1021),
            ("ARCH_GET_XCOMP_PERM", 0x1022),
            ("ARCH_REQ_XCOMP_PERM", 0x1023),
        ],
        "registers for matrices: libraries of numbers",
    ),
];

pub(super) const TABLES: &[CommandTable] = &[
    CommandTable {
        call: libc::SYS_prctl,
        title: "`prctl`",
        command_in: number(0),
        also: &[],
        rows: PRCTL,
        otherwise: Action::Refuse(libc::EINVAL),
    },
    CommandTable {
        call: libc::SYS_futex,
        title: "`futex`",
        command_in: CommandArgument::Number {
            argument: 1,
            ignoring: FUTEX_FLAGS,
        },
        also: &[],
        rows: FUTEX,
        otherwise: Action::Refuse(libc::ENOSYS),
    },
    CommandTable {
        call: libc::SYS_membarrier,
        title: "`membarrier`",
        command_in: number(0),
        also: &[],
        rows: BARRIERS,
        otherwise: Action::Refuse(libc::EINVAL),
    },
    CommandTable {
        call: libc::SYS_setrlimit,
        title: "`setrlimit`",
        command_in: number(0),
        also: &[],
        rows: LIMITS,
        otherwise: Action::Refuse(libc::EPERM),
    },
    CommandTable {
        call: libc::SYS_prlimit64,
        title: "`prlimit64`, setting one's own",
        command_in: number(1),
        also: OWN_LIMITS,
        rows: LIMITS,
        otherwise: Action::Refuse(libc::EPERM),
    },
    CommandTable {
        call: libc::SYS_prlimit64,
        title: "`prlimit64`, asking for one's own",
        command_in: CommandArgument::Nothing,
        also: ASKING_FOR_OWN_LIMITS,
        rows: ASKING,
        otherwise: Action::Refuse(libc::EPERM),
    },
    CommandTable {
        call: libc::SYS_sched_setscheduler,
        title: "`sched_setscheduler`",
        command_in: CommandArgument::Number {
            argument: 1,
            ignoring: libc::SCHED_RESET_ON_FORK.cast_unsigned(),
        },
        also: &[],
        rows: POLICIES,
        otherwise: Action::Refuse(libc::EPERM),
    },
    CommandTable {
        call: libc::SYS_setpriority,
        title: "`setpriority`",
        command_in: bits(2),
        also: &[],
        rows: PRIORITIES,
        otherwise: Action::Refuse(libc::EACCES),
    },
    CommandTable {
        call: libc::SYS_ioprio_set,
        title: "`ioprio_set`",
        command_in: CommandArgument::Number {
            argument: 2,
            ignoring: LEVEL_OF_DISK_PRIORITY,
        },
        also: &[],
        rows: DISK_PRIORITIES,
        otherwise: Action::Refuse(libc::EPERM),
    },
    #[cfg(target_arch = "x86_64")]
    CommandTable {
        call: libc::SYS_arch_prctl,
        title: "`arch_prctl`",
        command_in: number(0),
        also: &[],
        rows: ARCHITECTURE,
        otherwise: Action::Refuse(libc::EINVAL),
    },
];
