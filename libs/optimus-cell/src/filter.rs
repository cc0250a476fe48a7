//! The system call filter of every guest.
//!
//! An allow-list: what [`crate::syscalls`] does not name is refused. A refused call answers `ENOSYS`, as on a kernel
//! that does not have it, because that is the refusal runtimes are written to survive: the C library then falls back
//! from `clone3`, which a filter cannot look into, to `clone`, which it can. Calls whose argument names a command have
//! an allow-list of their own, with the refusal that goes with it: [`crate::commands`]. System calls of another architecture,
//! such as `int 0x80` on `x86_64`, kill the process; those of x32 have numbers that the list does not contain.
//!
//! Installed by each guest as its last step before `exec`. What it costs decides how the program looks: see
//! [`optimus_linux::seccomp`].

mod streams;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, os::fd::OwnedFd};

use optimus_linux::seccomp::{Action, Clause, Condition, Program, Rule, SyscallRule};

use crate::{
    commands::{self, CommandArgument, CommandRow, CommandTable},
    syscalls::{self, number},
};

/// `personality` flags that only switch the randomisation of addresses off, or ask without changing anything.
const PERSONALITIES: &[u32] = &[0, libc::ADDR_NO_RANDOMIZE.cast_unsigned(), 0xffff_ffff];

/// Protocols of a plain socket: the usual one, TCP and UDP. For any other, a kernel may load a module.
const PROTOCOLS: &[u32] = &[0, 6, 17];

/// The types of a socket without its flags: the two highest bits are `SOCK_NONBLOCK` and `SOCK_CLOEXEC`.
const SOCKET_TYPE: u32 = 0xf;

/// The filter of guests.
#[derive(Debug)]
pub(crate) struct Filter {
    /// Asks the agent where numbers do not tell.
    asking: Program,
    /// For kernels that let nobody be asked, and where whoever runs this agent is asked already.
    silent: Program,
}

impl Filter {
    pub(crate) fn for_guests() -> Self {
        let mut list = allow_list();
        streams::keep_blocking(&mut list);
        let silent = Program::new(&list);
        let mut list = allow_list();
        streams::ask_what_it_is(&mut list);
        streams::ask_for_opened(&mut list);
        let asking = Program::new(&list);
        Self { asking, silent }
    }

    /// Confines this thread and all its future children, for good; returns where they ask, which closes on `exec`. Allocates
    /// nothing, so it may be called after `fork`. The process must have given up gaining privileges.
    pub(crate) fn install(&self) -> rustix::io::Result<Option<OwnedFd>> {
        match self.asking.install_with_listener() {
            Ok(listener) => Ok(Some(listener)),
            Err(_) => self.silent.install().map(|()| None),
        }
    }
}

fn allow_list() -> BTreeMap<u32, SyscallRule> {
    let mut list: BTreeMap<_, _> = syscalls::GUEST
        .iter()
        .map(|call| (number(*call), SyscallRule::Allow))
        .collect();
    for (call, rule) in [
        (libc::SYS_clone, without_namespaces()),
        (libc::SYS_socket, sockets()),
        (
            libc::SYS_socketpair,
            vec![Condition::equal(0, libc::AF_UNIX.cast_unsigned())],
        ),
        (
            libc::SYS_personality,
            vec![Condition::one_of(0, u32::MAX, PERSONALITIES)],
        ),
    ] {
        let clauses = vec![Clause {
            rule,
            action: Action::Allow,
        }];
        let otherwise = Action::ABSENT;
        list.insert(number(call), SyscallRule::ByArguments { clauses, otherwise });
    }
    for table in commands::tables() {
        let access = list
            .entry(number(table.call))
            .or_insert(SyscallRule::ByArguments {
                clauses: Vec::new(),
                otherwise: table.otherwise,
            });
        if let SyscallRule::ByArguments { clauses, .. } = access {
            clauses.extend(clauses_of(table));
        }
    }
    list
}

/// Rows with the same answer are one clause.
fn clauses_of(table: &CommandTable) -> Vec<Clause> {
    let mut by_answer: Vec<(Action, Vec<u32>)> = Vec::new();
    for CommandRow { commands, action, .. } in table.rows {
        let values = commands.iter().map(|(_, value)| *value);
        match by_answer.iter_mut().find(|(known, _)| known == action) {
            Some((_, all)) => all.extend(values),
            None => by_answer.push((*action, values.collect())),
        }
    }
    by_answer
        .into_iter()
        .map(|(action, values)| {
            let told = match table.command_in {
                CommandArgument::Nothing => None,
                CommandArgument::Number { argument, ignoring } => {
                    Some(Condition::one_of(argument, !ignoring, values))
                }
                CommandArgument::Bits { argument, width } => {
                    let known = values.iter().fold(0, |all, bit| all | bit);
                    Some(Condition {
                        width,
                        ..Condition::none_of(argument, !known)
                    })
                }
            };
            Clause {
                rule: table.also.iter().cloned().chain(told).collect(),
                action,
            }
        })
        .collect()
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
    vec![Condition::none_of(0, namespaces.cast_unsigned())]
}

/// Local and internet sockets of the two usual types. The box has no network but its own loopback.
fn sockets() -> Rule {
    const FAMILIES: &[u32] = &[1, 2, 10];
    const TYPES: &[u32] = &[1, 2];
    const {
        assert!(libc::AF_UNIX == 1 && libc::AF_INET == 2 && libc::AF_INET6 == 10);
        assert!(libc::SOCK_STREAM == 1 && libc::SOCK_DGRAM == 2);
    }
    vec![
        Condition::one_of(0, u32::MAX, FAMILIES),
        Condition::one_of(1, SOCKET_TYPE, TYPES),
        Condition::one_of(2, u32::MAX, PROTOCOLS),
    ]
}
