//! Standard output and error block, whatever a program says.
//!
//! They are pipes. A runtime that makes a pipe non-blocking keeps in its own memory what the pipe does not take at once, and
//! drops it when it exits: Node.js does both with the usual frame of a solution, which prints and calls `process.exit()`. Other
//! programs then die by an `EAGAIN` that they do not expect. With a file instead of a pipe nothing would be lost so, but
//! `/dev/stdout`, opened a second time, would write over what is there. So the pipes stay, and the wish not to block is answered
//! as if it had been fulfilled.

use std::collections::BTreeMap;

use optimus_linux::seccomp::{Action, Clause, Condition, Rule, SyscallRule, Test, Width};

use crate::{commands::files::FLAGS_NOT_SET, syscalls::number};

/// Standard output and standard error.
const STREAMS: &[u32] = &[1, 2];

/// Has the calls that would make [`STREAMS`] non-blocking answered without being done, for kernels that let nobody be asked; all
/// else stays as it is.
pub(super) fn keep_blocking(list: &mut BTreeMap<u32, SyscallRule>) {
    for (call, mut rule) in [
        (libc::SYS_fcntl, non_blocking_flag()),
        (libc::SYS_ioctl, non_blocking_request()),
    ] {
        if let Some(SyscallRule::ByArguments { clauses, .. }) = list.get_mut(&number(call)) {
            rule.push(Condition::one_of(0, u32::MAX, STREAMS));
            let action = Action::PRETEND;
            clauses.insert(0, Clause { rule, action });
        }
    }
}

/// Has the same calls asked about instead, whatever the number is: programs put their streams under other numbers, standard
/// input's too, and other things under those of the streams.
pub(super) fn ask_what_it_is(list: &mut BTreeMap<u32, SyscallRule>) {
    // What is asked about may be done, and those flags may not.
    let quiet = Condition::none_of(2, FLAGS_NOT_SET);
    for (call, mut rule, also) in [
        (libc::SYS_fcntl, non_blocking_flag(), Some(quiet)),
        (libc::SYS_ioctl, non_blocking_request(), None),
    ] {
        if let Some(SyscallRule::ByArguments { clauses, .. }) = list.get_mut(&number(call)) {
            rule.extend(also);
            let action = Action::Notify;
            clauses.insert(0, Clause { rule, action });
        }
    }
}

/// Has calls asked about that open something to write to it without blocking: it may be a stream. Of what is allowed anyway.
pub(super) fn ask_for_opened(list: &mut BTreeMap<u32, SyscallRule>) {
    let any_of =
        |flags, set: libc::c_int| Condition::new(flags, Width::Half, Test::AnyOf(set.cast_unsigned()));
    // With one of these a stream is not opened by its name.
    let other = libc::O_DIRECTORY | libc::O_PATH | libc::O_EXCL | libc::O_NOFOLLOW;
    for (call, flags) in [
        #[cfg(target_arch = "x86_64")]
        (libc::SYS_open, 1),
        (libc::SYS_openat, 2),
    ] {
        let Some(SyscallRule::ByArguments { clauses, .. }) = list.get_mut(&number(call)) else {
            continue;
        };
        let Some(allowed) = clauses.iter().find(|clause| clause.action == Action::Allow) else {
            continue;
        };
        let asked = [
            any_of(flags, libc::O_NONBLOCK),
            any_of(flags, libc::O_WRONLY | libc::O_RDWR),
            Condition::none_of(flags, other.cast_unsigned()),
        ];
        let rule = allowed.rule.iter().cloned().chain(asked).collect();
        let action = Action::Notify;
        clauses.insert(0, Clause { rule, action });
    }
}

fn non_blocking_flag() -> Rule {
    vec![
        Condition::equal(1, libc::F_SETFL.cast_unsigned()),
        Condition::new(2, Width::Half, Test::AnyOf(libc::O_NONBLOCK.cast_unsigned())),
    ]
}

/// Whether it is switched on or off stands in memory, where a filter cannot look; it is never on.
fn non_blocking_request() -> Rule {
    let request = u32::try_from(libc::FIONBIO).expect("requests have 32 bits");
    vec![Condition::equal(1, request)]
}
