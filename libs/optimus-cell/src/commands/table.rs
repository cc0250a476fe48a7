//! How a table is written.

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
    /// What is done about all other commands. The same in all tables of a call.
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
    /// For people: which programs need the call, or what comes of the action.
    #[cfg_attr(not(test), expect(dead_code, reason = "for people"))]
    pub(crate) reason: &'static str,
}

pub(super) const fn row(commands: &'static [(&'static str, u32)], reason: &'static str) -> CommandRow {
    let action = Action::Allow;
    CommandRow {
        commands,
        action,
        reason,
    }
}

/// Answered as a success without being done.
pub(super) const fn pretended(commands: &'static [(&'static str, u32)], reason: &'static str) -> CommandRow {
    let action = Action::PRETEND;
    CommandRow {
        commands,
        action,
        reason,
    }
}

pub(super) const fn refused(
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

pub(super) const fn number(argument: u8) -> CommandArgument {
    CommandArgument::Number {
        argument,
        ignoring: 0,
    }
}

/// Bits of an argument whose upper half the kernel ignores.
pub(super) const fn bits(argument: u8) -> CommandArgument {
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
pub(super) use named;
