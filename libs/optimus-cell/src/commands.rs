//! Calls whose argument names a command: which commands a guest may give, each with who needs it.
//!
//! One number of a call such as `ioctl` or `prctl` stands for hundreds of calls, most of which no program needs and some of
//! which reach modules, privileges of others, or kernel memory that is charged to nobody. So these calls are allow-lists too.
//! The rows were collected by running programs that use much of what their language offers (threads, servers and clients on the
//! loopback, subprocesses, timers, memory maps, locks, asynchronous input and output) under `strace`, and their compilers:
//! "every language" are the seven that come with the project, and Ruby, PHP, Perl, Lua and shells.
//!
//! What is answered instead is what runtimes take as "this kernel does not have it". A wish that changes nothing that a program
//! could see is answered as if it had been fulfilled.
//!
//! `docs/sandbox.md` shows all of it, made from the same data.

#[cfg(test)]
mod documented;
pub(crate) mod files;
mod memory;
mod processes;
mod sockets;

use optimus_linux::seccomp::{Action, Condition, Width};

/// What a system call may be used for: an allow-list of the commands that one of its arguments names.
#[derive(Debug)]
pub(crate) struct CommandTable {
    pub(crate) call: i64,
    /// The call and which of its uses, for the table in the docs.
    #[cfg_attr(not(test), expect(dead_code, reason = "for people"))]
    pub(crate) title: &'static str,
    pub(crate) command_in: CommandArgument,
    /// What must hold as well.
    pub(crate) also: &'static [Condition],
    pub(crate) rows: &'static [CommandRow],
    /// To everything else. The same in all tables of a call.
    pub(crate) otherwise: Action,
}

/// Which argument names the command, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) enum CommandArgument {
    /// The lower half of an argument, without the bits of `ignoring`, is the number of a command.
    Number { argument: u8, ignoring: u32 },
    /// Each bit of an argument is a command.
    Bits { argument: u8, width: Width },
    /// The call has one use.
    Nothing,
}

#[derive(Debug)]
pub(crate) struct CommandRow {
    pub(crate) commands: &'static [(&'static str, u32)],
    pub(crate) action: Action,
    /// Who needs it, or what the answer does.
    #[cfg_attr(not(test), expect(dead_code, reason = "for people"))]
    pub(crate) reason: &'static str,
}

const fn row(commands: &'static [(&'static str, u32)], reason: &'static str) -> CommandRow {
    let action = Action::Allow;
    CommandRow {
        commands,
        action,
        reason,
    }
}

/// Answered as a success without being done.
const fn pretended(commands: &'static [(&'static str, u32)], reason: &'static str) -> CommandRow {
    let action = Action::PRETEND;
    CommandRow {
        commands,
        action,
        reason,
    }
}

const fn refused(
    commands: &'static [(&'static str, u32)],
    errno: libc::c_int,
    reason: &'static str,
) -> CommandRow {
    let action = Action::Refuse(errno);
    CommandRow {
        commands,
        action,
        reason,
    }
}

const fn number(argument: u8) -> CommandArgument {
    CommandArgument::Number {
        argument,
        ignoring: 0,
    }
}

/// Bits of an argument whose upper half the kernel ignores.
const fn bits(argument: u8) -> CommandArgument {
    let width = Width::Half;
    CommandArgument::Bits { argument, width }
}

/// Constants of the C library by their names.
macro_rules! named {
    ($($name:ident),* $(,)?) => {
        const {
            #[allow(clippy::cast_possible_truncation, reason = "their types differ, and none has more bits")]
            const ALL: &[(&str, u32)] = &[$((stringify!($name), libc::$name as u32)),*];
            ALL
        }
    };
}
use named;

/// All tables, those of one call side by side.
pub(crate) fn tables() -> impl Iterator<Item = &'static CommandTable> {
    [files::TABLES, memory::TABLES, processes::TABLES, sockets::TABLES]
        .into_iter()
        .flatten()
}
