//! Runs that share the agent's namespaces, and are told apart by the UIDs of their guests.

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use optimus_common::{
    box_layout::{BOX_DIR, SHM_DIR, TMP_DIR},
    limits::Limits,
    weaken,
};

use crate::{
    cleanup::WritableFolders,
    command::Command,
    death::Death,
    error::CellError,
    guest_id::GuestId,
    isolation::{Isolation, LaunchedTree, ProcessTree, Residue},
    kill::kill_all,
    launch::{Restrictions, Stdio, fork_guest},
    leftovers::Leftovers,
    meter::{Accounting, Meter, Pace, Total, Usage},
    proc_files::{self, RunnableThread, ThreadWait},
    reaper::Reaped,
    run::WorkdirPolicy,
    waited::Waited,
};

/// Removing 100,000 nested folders takes some seconds on a busy machine.
const LONGEST_REMOVAL: Duration = Duration::from_mins(1);

/// Runs under UIDs of their own.
#[derive(Debug)]
pub(crate) struct UidIsolation(Rc<SharedByRuns>);

/// What the runs of a box share.
#[derive(Debug)]
struct SharedByRuns {
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
        Ok(Self(Rc::new(SharedByRuns {
            accounting: Accounting::for_runs_at_once(guests.len()),
            writable: WritableFolders::new(&folders)?,
            guests: guests.to_owned(),
        })))
    }
}

impl Isolation for UidIsolation {
    fn pace(&self) -> Pace {
        self.0.accounting.pace()
    }

    fn start(
        &self,
        command: Command,
        limits: &Limits,
        guest: GuestId,
        restrictions: &Restrictions,
        stdio: Stdio<'_>,
    ) -> Result<Option<LaunchedTree>, CellError> {
        let Self(shared) = self;
        let meter = Meter::start(guest, &shared.accounting, limits)?;
        let forked = fork_guest(&command, guest, restrictions, stdio)?;
        Ok(forked.map(|(pid, outcome)| {
            let tree: Box<dyn ProcessTree> = Box::new(UidTree {
                pid,
                guest,
                meter,
                state: State::Alive,
                waited: Waited::default(),
                shared: Rc::clone(shared),
            });
            (tree, outcome)
        }))
    }
}

/// A run among others.
#[derive(Debug)]
struct UidTree {
    pid: i32,
    guest: GuestId,
    meter: Meter,
    state: State,
    /// How long the first process had waited when it died.
    waited: Waited,
    shared: Rc<SharedByRuns>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Alive,
    /// The first process has died.
    Dead(Death),
    /// The agent kills what is left.
    Dying,
}

impl ProcessTree for UidTree {
    fn reaped(&mut self, process: &Reaped) -> bool {
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

    fn is_first(&self, pid: i32) -> bool {
        pid == self.pid
    }

    fn death(&self) -> Result<Option<Death>, CellError> {
        Ok(match self.state {
            State::Dead(death) => Some(death),
            State::Alive | State::Dying => None,
        })
    }

    fn kill(&mut self) -> Result<Leftovers, CellError> {
        self.state = State::Dying;
        kill_all(self.guest)
    }

    fn sample(&mut self, limits: &Limits) -> Result<Usage, CellError> {
        self.meter.sample(&self.shared.accounting, limits)
    }

    fn scan(&mut self) -> Result<Vec<ThreadWait>, CellError> {
        self.meter.scan()
    }

    fn ready(&self) -> Result<Vec<RunnableThread>, CellError> {
        proc_files::ready(self.guest)
    }

    /// By the first process, which has ended and was not waited for yet.
    fn is_over(&self) -> Result<bool, CellError> {
        Ok(proc_files::is_dead(self.pid))
    }

    fn waited(&self) -> Waited {
        self.waited
    }

    fn total(&mut self) -> Result<Total, CellError> {
        self.meter.total(&self.shared.accounting)
    }

    fn into_residue(self: Box<Self>) -> Option<Box<dyn Residue>> {
        if weaken::is_off("fresh-files") {
            return None;
        }
        Some(Box::new(GuestFiles {
            guest: self.guest,
            shared: self.shared,
            cleanup: CleanupProcess::None,
        }))
    }

    fn survived(&self) -> CellError {
        CellError::GuestSurvivesKill(self.guest)
    }
}

/// What a guest has left in folders that it shares with others. To be removed.
#[derive(Debug)]
struct GuestFiles {
    guest: GuestId,
    shared: Rc<SharedByRuns>,
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

impl Residue for GuestFiles {
    fn reaped(&mut self, process: &Reaped) -> bool {
        if self.cleanup != CleanupProcess::Working(process.pid) {
            return false;
        }
        self.cleanup = match process.death {
            Death::Exited(0) => CleanupProcess::Done,
            _ => CleanupProcess::Failed,
        };
        true
    }

    fn clear(&mut self, since: Instant) -> Result<Leftovers, CellError> {
        match self.cleanup {
            CleanupProcess::Failed => return Err(self.leftover("the removal failed")),
            CleanupProcess::Working(_) if since.elapsed() > LONGEST_REMOVAL => {
                return Err(self.leftover("the removal takes too long"));
            }
            CleanupProcess::Working(_) => return Ok(Leftovers::Some),
            // Looks again, and must find nothing.
            CleanupProcess::None | CleanupProcess::Done => {}
        }
        let SharedByRuns { writable, guests, .. } = &*self.shared;
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
}

impl GuestFiles {
    fn leftover(&self, reason: &str) -> CellError {
        CellError::FilesLeft {
            guest: self.guest,
            reason: reason.to_owned(),
        }
    }
}
