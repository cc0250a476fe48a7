//! Runs that share the agent's namespaces, and are told apart by the UIDs of their guests.

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use optimus_common::{
    box_layout::{BOX_DIR, SHM_DIR, TMP_DIR},
    limits::Limits,
};

use crate::{
    cleanup::WritableFolders,
    command::Command,
    death::Death,
    error::CellError,
    guest_id::GuestId,
    kill::kill_all,
    launch::{Restrictions, Stdio, fork_guest},
    launch_step::LaunchOutcome,
    leftovers::Leftovers,
    meter::{Accounting, Meter, Pace, Total, Usage},
    proc_files::{self, RunnableThread, ThreadWait},
    reaper::Reaped,
    run::WorkdirPolicy,
    waited::Waited,
};

/// Removing 100,000 nested folders takes some seconds on a busy machine.
const LONGEST_REMOVAL: Duration = Duration::from_mins(1);

/// What the runs of a box share.
#[derive(Debug)]
pub(crate) struct UidIsolation {
    accounting: Accounting,
    writable: WritableFolders,
    /// The guests of all slots.
    guests: Vec<GuestId>,
}

impl UidIsolation {
    pub(crate) fn new(guests: &[GuestId], workdir: WorkdirPolicy) -> Result<Self, CellError> {
        let mut folders = vec![TMP_DIR, SHM_DIR];
        if workdir == WorkdirPolicy::PerRun {
            folders.push(BOX_DIR);
        }
        Ok(Self {
            accounting: Accounting::for_runs_at_once(guests.len()),
            writable: WritableFolders::new(&folders)?,
            guests: guests.to_owned(),
        })
    }

    pub(crate) fn pace(&self) -> Pace {
        self.accounting.pace()
    }
}

/// A run among others.
#[derive(Debug)]
pub(crate) struct UidTree {
    pid: i32,
    guest: GuestId,
    meter: Meter,
    state: State,
    /// Of the first process, at its death.
    waited: Waited,
    isolation: Rc<UidIsolation>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Alive,
    /// The first process has died.
    Dead(Death),
    /// The agent kills what is left.
    Dying,
}

impl UidTree {
    /// Starts a command as this guest. `None` where the box has as many processes as it may.
    pub(crate) fn start(
        isolation: &Rc<UidIsolation>,
        command: &Command,
        limits: &Limits,
        guest: GuestId,
        restrictions: &Restrictions,
        stdio: Stdio<'_>,
    ) -> Result<Option<(Self, LaunchOutcome)>, CellError> {
        let meter = Meter::start(guest, &isolation.accounting, limits)?;
        let forked = fork_guest(command, guest, restrictions, stdio)?;
        Ok(forked.map(|(pid, outcome)| {
            let tree = Self {
                pid,
                guest,
                meter,
                state: State::Alive,
                waited: Waited::default(),
                isolation: Rc::clone(isolation),
            };
            (tree, outcome)
        }))
    }

    /// Takes note of a dead process of this run; `false` where it is none.
    pub(crate) fn reaped(&mut self, process: &Reaped) -> bool {
        let first = process.pid == self.pid;
        if !first && process.uid != self.guest.as_raw() {
            return false;
        }
        if self.state == State::Dying {
            self.meter.add_killed(process);
        } else {
            self.meter.add(process);
        }
        if first && self.state == State::Alive {
            self.state = State::Dead(process.death);
            self.waited = process.waited;
        }
        true
    }

    pub(crate) fn is_first(&self, pid: i32) -> bool {
        pid == self.pid
    }

    pub(crate) fn death(&self) -> Option<Death> {
        match self.state {
            State::Dead(death) => Some(death),
            State::Alive | State::Dying => None,
        }
    }

    pub(crate) fn kill(&mut self) -> Result<Leftovers, CellError> {
        self.state = State::Dying;
        kill_all(self.guest)
    }

    pub(crate) fn sample(&mut self, limits: &Limits) -> Result<Usage, CellError> {
        self.meter.sample(&self.isolation.accounting, limits)
    }

    pub(crate) fn scan(&mut self) -> Result<Vec<ThreadWait>, CellError> {
        self.meter.scan()
    }

    pub(crate) fn ready(&self) -> Result<Vec<RunnableThread>, CellError> {
        proc_files::ready(self.guest)
    }

    /// Whether the first process has ended, and was not waited for yet.
    pub(crate) fn is_over(&self) -> bool {
        proc_files::is_dead(self.pid)
    }

    pub(crate) fn waited(&self) -> Waited {
        self.waited
    }

    pub(crate) fn total(&mut self) -> Result<Total, CellError> {
        self.meter.total(&self.isolation.accounting)
    }

    pub(crate) fn into_guest_files(self) -> GuestFiles {
        GuestFiles {
            guest: self.guest,
            isolation: self.isolation,
            cleanup: CleanupProcess::None,
        }
    }
}

/// What a guest has left in folders that it shares with others. To be removed.
#[derive(Debug)]
pub(crate) struct GuestFiles {
    guest: GuestId,
    isolation: Rc<UidIsolation>,
    cleanup: CleanupProcess,
}

/// The process of ours that removes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CleanupProcess {
    None,
    Working(i32),
    Done,
    Failed,
}

impl GuestFiles {
    /// Takes note of a dead process; `false` where it is not the one that removes.
    pub(crate) fn reaped(&mut self, process: &Reaped) -> bool {
        if self.cleanup != CleanupProcess::Working(process.pid) {
            return false;
        }
        self.cleanup = match process.death {
            Death::Exited(0) => CleanupProcess::Done,
            _ => CleanupProcess::Failed,
        };
        true
    }

    /// Goes on with the removal, and tells whether anything is left.
    pub(crate) fn clear(&mut self, since: Instant) -> Result<Leftovers, CellError> {
        match self.cleanup {
            CleanupProcess::Failed => return Err(self.leftover("the removal failed")),
            CleanupProcess::Working(_) if since.elapsed() > LONGEST_REMOVAL => {
                return Err(self.leftover("the removal takes too long"));
            }
            CleanupProcess::Working(_) => return Ok(Leftovers::Some),
            // Looks again, and must find nothing.
            CleanupProcess::None | CleanupProcess::Done => {}
        }
        let UidIsolation { writable, guests, .. } = &*self.isolation;
        if writable.leftovers(self.guest, guests)? == Leftovers::None {
            return Ok(Leftovers::None);
        }
        match writable.start_removal(self.guest)? {
            Some(pid) => self.cleanup = CleanupProcess::Working(pid),
            None if since.elapsed() > LONGEST_REMOVAL => {
                return Err(self.leftover("no process can be had to remove them"));
            }
            None => {}
        }
        Ok(Leftovers::Some)
    }

    fn leftover(&self, reason: &str) -> CellError {
        CellError::FilesLeft {
            guest: self.guest,
            reason: reason.to_owned(),
        }
    }
}
