//! Names of signals, by the numbers Linux gives them on x86, ARM and RISC-V.

use std::borrow::Cow;

/// `SIGXCPU`, sent by the kernel where the CPU time of a process is over its resource limit.
pub const SIGXCPU: i32 = 24;
/// `SIGXFSZ`, sent by the kernel to a process that would make a file larger than its resource limit.
pub const SIGXFSZ: i32 = 25;

const NAMES: [&str; 31] = [
    "SIGHUP",
    "SIGINT",
    "SIGQUIT",
    "SIGILL",
    "SIGTRAP",
    "SIGABRT",
    "SIGBUS",
    "SIGFPE",
    "SIGKILL",
    "SIGUSR1",
    "SIGSEGV",
    "SIGUSR2",
    "SIGPIPE",
    "SIGALRM",
    "SIGTERM",
    "SIGSTKFLT",
    "SIGCHLD",
    "SIGCONT",
    "SIGSTOP",
    "SIGTSTP",
    "SIGTTIN",
    "SIGTTOU",
    "SIGURG",
    "SIGXCPU",
    "SIGXFSZ",
    "SIGVTALRM",
    "SIGPROF",
    "SIGWINCH",
    "SIGIO",
    "SIGPWR",
    "SIGSYS",
];

/// The first of the real-time signals, as the kernel counts them.
const FIRST_REAL_TIME: i32 = 32;

/// The name of a signal, such as `SIGSEGV`; of a real-time one, such as `SIGRTMIN+2`.
pub fn name(signal: i32) -> Cow<'static, str> {
    let index = signal.checked_sub(1).and_then(|i| usize::try_from(i).ok());
    let named = index.and_then(|i| NAMES.get(i));
    match named {
        Some(name) => Cow::Borrowed(name),
        None if (FIRST_REAL_TIME..=64).contains(&signal) => {
            Cow::Owned(format!("SIGRTMIN+{}", signal - FIRST_REAL_TIME))
        }
        None => Cow::Owned(format!("signal {signal}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_their_linux_names() {
        for (signal, expected) in [
            (1, "SIGHUP"),
            (6, "SIGABRT"),
            (9, "SIGKILL"),
            (11, "SIGSEGV"),
            (SIGXCPU, "SIGXCPU"),
            (31, "SIGSYS"),
            (34, "SIGRTMIN+2"),
            (64, "SIGRTMIN+32"),
            (0, "signal 0"),
            (65, "signal 65"),
            (-3, "signal -3"),
            (i32::MIN, "signal -2147483648"),
        ] {
            assert_eq!(name(signal), expected);
        }
    }
}
