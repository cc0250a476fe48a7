//! From a process of the agent's to a running guest.

use std::{
    convert::Infallible,
    io,
    os::fd::{AsRawFd, BorrowedFd, OwnedFd},
};

use optimus_common::{box_layout::BOX_DIR, weaken};
use rustix::{
    process::{
        DumpableBehavior, Signal, set_dumpable_behavior, set_parent_process_death_signal, setrlimit, setsid,
        umask,
    },
    thread::set_no_new_privs,
};

use crate::{
    command::Command,
    error::CellError,
    filter::Filter,
    guest::become_guest,
    guest_id::GuestId,
    landlock,
    launch_step::{LaunchOutcome, LaunchReport, LaunchStep, StepFailure, at, hand_over, report},
    signals::Signals,
};
use optimus_linux::process::{close_descriptors, last_errno};

/// The guest's three descriptors.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stdio<'a> {
    pub(crate) stdin: BorrowedFd<'a>,
    pub(crate) stdout: BorrowedFd<'a>,
    pub(crate) stderr: BorrowedFd<'a>,
}

/// What restricts every guest of a box, made once.
#[derive(Debug)]
pub(crate) struct Restrictions {
    pub(crate) filter: Filter,
    pub(crate) landlock: Option<landlock::Ruleset>,
    /// In a container, which has a `/sys`.
    pub(crate) reading: Option<landlock::Reading>,
    pub(crate) signals: Signals,
}

/// Forks a guest in the agent's own namespaces. `None` where the box has as many processes as it may.
pub(crate) fn fork_guest(
    command: &Command,
    guest: GuestId,
    restrictions: &Restrictions,
    stdio: Stdio<'_>,
) -> Result<Option<(i32, LaunchOutcome)>, CellError> {
    let (reader, writer) = LaunchReport::new()?;
    // SAFETY: the agent has one thread, and the child calls nothing that allocates or locks.
    match unsafe { libc::fork() } {
        -1 => {
            let source = io::Error::last_os_error();
            match source.raw_os_error() {
                Some(libc::EAGAIN) => Ok(None),
                _ => Err(CellError::System {
                    operation: "fork",
                    source,
                }),
            }
        }
        0 => {
            // First, since the ruleset is a descriptor, and the next step closes those.
            let outcome = restrict_reading(restrictions)
                .and_then(|()| forget_agent(stdio, &writer, restrictions))
                .and_then(|()| become_program(command, guest, restrictions, &writer));
            leave(outcome, &writer)
        }
        pid => {
            drop(writer);
            Ok(Some((pid, reader.outcome()?)))
        }
    }
}

/// The end of a process that could not become a program.
pub(crate) fn leave(outcome: Result<Infallible, StepFailure>, writer: &OwnedFd) -> ! {
    let Err(failure) = outcome;
    report(writer, failure);
    // SAFETY: ends the process without running anything of the parent's.
    unsafe { libc::_exit(127) }
}

/// The guest's own steps. Allocates nothing.
pub(crate) fn become_program(
    command: &Command,
    guest: GuestId,
    restrictions: &Restrictions,
    report: &OwnedFd,
) -> Result<Infallible, StepFailure> {
    if !weaken::is_off("session") {
        setsid().map_err(at(LaunchStep::Session))?;
    }
    if !weaken::is_off("oom-score") {
        offer_to_oom_killer().map_err(at(LaunchStep::OomScore))?;
    }
    for (resource, limit) in &command.rlimits {
        if !weaken::is_off("rlimits") {
            setrlimit(*resource, *limit).map_err(at(LaunchStep::Limits))?;
        }
    }
    rustix::process::chdir(BOX_DIR).map_err(at(LaunchStep::EnterWorkDirectory))?;
    umask(rustix::fs::Mode::WGRP | rustix::fs::Mode::WOTH);
    if !weaken::is_off("identity") {
        become_guest(guest).map_err(at(LaunchStep::Identity))?;
    }
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(at(LaunchStep::ParentDeath))?;
    if !weaken::is_off("cell-no-new-privileges") {
        set_no_new_privs(true).map_err(at(LaunchStep::NoNewPrivileges))?;
    }
    if let Some(ruleset) = &restrictions.landlock
        && !weaken::is_off("landlock")
    {
        ruleset.enforce().map_err(at(LaunchStep::Landlock))?;
    }
    if !weaken::is_off("seccomp") {
        let listener = restrictions.filter.install().map_err(at(LaunchStep::Filter))?;
        if let Some(listener) = &listener {
            hand_over(report, listener).map_err(at(LaunchStep::Filter))?;
        }
        // It is handed over, and closes on `exec`: a call that closes it here would be one too many.
        std::mem::forget(listener);
    }
    command.execute();
    Err((LaunchStep::Exec, last_errno()))
}

/// The promise to gain no privileges comes first, as for the rest of Landlock.
fn restrict_reading(restrictions: &Restrictions) -> Result<(), StepFailure> {
    let Some(reading) = &restrictions.reading else {
        return Ok(());
    };
    if weaken::is_off("landlock") || weaken::is_off("sys-reads") {
        return Ok(());
    }
    set_no_new_privs(true).map_err(at(LaunchStep::NoNewPrivileges))?;
    reading.enforce().map_err(at(LaunchStep::Landlock))
}

/// Takes from a process what it has of the agent, but for its memory. The report, which is left beside the three streams,
/// closes on `exec`.
pub(crate) fn forget_agent(
    stdio: Stdio<'_>,
    report: &OwnedFd,
    restrictions: &Restrictions,
) -> Result<(), StepFailure> {
    arrange_descriptors(stdio, report).map_err(at(LaunchStep::Descriptors))?;
    if weaken::is_off("signals") {
        return Ok(());
    }
    restrictions.signals.reset().map_err(at(LaunchStep::Signals))
}

/// All sources are above 2: the agent's own three are open.
fn arrange_descriptors(stdio: Stdio<'_>, report: &OwnedFd) -> rustix::io::Result<()> {
    rustix::stdio::dup2_stdin(stdio.stdin)?;
    rustix::stdio::dup2_stdout(stdio.stdout)?;
    rustix::stdio::dup2_stderr(stdio.stderr)?;
    let report = report.as_raw_fd().unsigned_abs();
    #[cfg(optimus_weaken)]
    if weaken::is_off("close-on-exec") {
        leave_open_on_exec(report);
    }
    if weaken::is_off("cell-descriptors") {
        return Ok(());
    }
    close_descriptors(3..=report - 1)?;
    close_descriptors(report + 1..=u32::MAX)
}

/// All but the report, whose end on `exec` tells that the program runs.
#[cfg(optimus_weaken)]
fn leave_open_on_exec(report: u32) {
    for descriptor in (3..64).filter(|descriptor| *descriptor != report.cast_signed()) {
        // SAFETY: changes a flag of a descriptor, or fails where there is none.
        unsafe { libc::fcntl(descriptor, libc::F_SETFD, 0) };
    }
}

/// The file belongs to whoever may look into this process, and in a user namespace younger than the agent's memory
/// that is not the agent, unless it lets others look for a moment. There are no others yet.
fn offer_to_oom_killer() -> rustix::io::Result<()> {
    use rustix::fs::{Mode, OFlags, open};
    set_dumpable_behavior(DumpableBehavior::Dumpable)?;
    let file = open(
        c"/proc/self/oom_score_adj",
        OFlags::WRONLY | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    rustix::io::write(&file, b"1000")?;
    hide_memory()
}

/// Closes this process' memory and descriptors to others.
pub(crate) fn hide_memory() -> rustix::io::Result<()> {
    if weaken::is_off("dumpable") {
        return Ok(());
    }
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
}
