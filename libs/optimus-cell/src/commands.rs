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
mod table;

pub(crate) use self::table::{CommandArgument, CommandRow, CommandTable};

/// All tables, those of one call side by side.
pub(crate) fn tables() -> impl Iterator<Item = &'static CommandTable> {
    [files::TABLES, memory::TABLES, processes::TABLES, sockets::TABLES]
        .into_iter()
        .flatten()
}
