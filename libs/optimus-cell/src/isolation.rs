//! How the runs of a box are kept apart, and what is done with the process tree of each.
//!
//! There are two ways, each with a tree of its own: by the UIDs of their guests, and by namespaces.

use std::{
    fmt::Debug,
    time::{Duration, Instant},
};

use optimus_common::limits::Limits;
use optimus_protocol::CommandSpec;

use crate::{
    command::Command,
    death::Death,
    error::CellError,
    guest_id::GuestId,
    launch::{Restrictions, Stdio},
    launch_step::LaunchOutcome,
    leftovers::Leftovers,
    meter::{Pace, Total, Usage},
    proc_files::{RunnableThread, ThreadWait},
    reaper::Reaped,
    scans::Scans,
    seccomp_notify::SeccompListener,
    waited::Waited,
};

/// The tree of a process that was made, and how it went on.
pub(crate) type LaunchedTree = (Box<dyn ProcessTree>, LaunchOutcome);

/// A way to keep runs apart.
pub(crate) trait Isolation: Debug {
    /// How often a run is looked at.
    fn pace(&self) -> Pace;

    /// Is called when no run goes on, for what would hold up a run.
    fn rest(&self) {}

    /// Starts a command as this guest. `None` where the box has as many processes as it may.
    fn start(
        &self,
        command: Command,
        limits: &Limits,
        guest: GuestId,
        restrictions: &Restrictions,
        stdio: Stdio<'_>,
    ) -> Result<Option<LaunchedTree>, CellError>;
}

/// The processes of one run.
pub(crate) trait ProcessTree: Debug {
    /// Takes note of a dead process; `false` where it is none of this tree's.
    fn reaped(&mut self, process: &Reaped) -> bool;

    /// How the first process died by itself.
    fn death(&self) -> Result<Option<Death>, CellError>;

    /// How the first process died, where that is noted before the news of it can come: what is left of its surroundings may have
    /// to wait for a lock of the host's.
    fn reported_death(&self) -> Option<Death> {
        None
    }

    /// When the first process started, where that is known better than by looking at a clock.
    fn started(&self) -> Option<Instant> {
        None
    }

    /// How long the first process lived, where that is known better than by looking at a clock.
    fn lifetime(&self) -> Option<Duration> {
        None
    }

    /// Kills every process, stopped and orphaned ones included. To be called until none is left.
    fn kill(&mut self) -> Result<Leftovers, CellError>;

    /// What it has used until now.
    fn sample(&mut self, limits: &Limits) -> Result<Usage, CellError>;

    /// How long after its start it is first looked at.
    fn first_scan(&self) -> Duration {
        Scans::FIRST
    }

    /// Looks at its processes one by one, which costs more than a sample, and tells how long each thread has waited.
    fn scan(&mut self) -> Result<Vec<ThreadWait>, CellError>;

    /// Its threads that do not sleep at this moment.
    fn ready(&self) -> Result<Vec<RunnableThread>, CellError>;

    /// Whether it has ended by itself at this moment, and only the news of it is on its way.
    fn is_over(&self) -> Result<bool, CellError>;

    /// How long the first process had waited when it died, where that is known.
    fn waited(&self) -> Waited;

    /// Whether this is a child of the agent's whose death tells how the first process died.
    fn is_first(&self, pid: i32) -> bool;

    /// The sums, once no process is left.
    fn total(&mut self) -> Result<Total, CellError>;

    /// Processes are gone, but perhaps not every trace of them.
    fn into_residue(self: Box<Self>) -> Option<Box<dyn Residue>> {
        None
    }

    /// The error where it cannot be killed.
    fn survived(&self) -> CellError;
}

/// What is left of a run after its processes. To be removed.
pub(crate) trait Residue: Debug {
    /// Takes note of a dead process; `false` where it has nothing to do with the removal.
    fn reaped(&mut self, process: &Reaped) -> bool;

    /// Goes on with the removal, and tells whether anything is left.
    fn clear(&mut self, since: Instant) -> Result<Leftovers, CellError>;
}

/// What became of a command.
#[derive(Debug)]
pub(crate) enum Launched {
    /// With the listener of its filter, where the kernel has those.
    Running(Box<dyn ProcessTree>, Option<SeccompListener>),
    /// It cannot be executed, and why. What there is of a tree is on its way out, and dies like any other.
    NotStarted(Box<dyn ProcessTree>, String),
    /// The box has as many processes as it may.
    Crowded,
}

/// Starts a command as this guest.
pub(crate) fn launch(
    isolation: &dyn Isolation,
    spec: &CommandSpec,
    guest: GuestId,
    restrictions: &Restrictions,
    stdio: Stdio<'_>,
) -> Result<Launched, CellError> {
    let command = match Command::new(spec, guest) {
        Ok(command) => command,
        Err(error) => return Ok(Launched::NotStarted(Box::new(NoProcess(guest)), error)),
    };
    let launched = isolation.start(command, &spec.limits, guest, restrictions, stdio)?;
    Ok(match launched {
        Some((tree, LaunchOutcome::Running(listener))) => Launched::Running(
            tree,
            listener.map(|listener| SeccompListener::new(listener, guest)),
        ),
        Some((tree, LaunchOutcome::NotExecutable(error))) => {
            let name = spec.argv.first().map_or("", String::as_str);
            Launched::NotStarted(tree, format!("cannot execute {name}: {error}"))
        }
        Some((_, LaunchOutcome::Crowded)) | None => Launched::Crowded,
    })
}

/// The tree of a command that named nothing that could be started.
#[derive(Debug)]
struct NoProcess(GuestId);

impl ProcessTree for NoProcess {
    fn reaped(&mut self, _: &Reaped) -> bool {
        false
    }

    fn death(&self) -> Result<Option<Death>, CellError> {
        Ok(None)
    }

    fn kill(&mut self) -> Result<Leftovers, CellError> {
        Ok(Leftovers::None)
    }

    fn sample(&mut self, _: &Limits) -> Result<Usage, CellError> {
        Ok(Usage::default())
    }

    fn scan(&mut self) -> Result<Vec<ThreadWait>, CellError> {
        Ok(Vec::new())
    }

    fn ready(&self) -> Result<Vec<RunnableThread>, CellError> {
        Ok(Vec::new())
    }

    fn is_over(&self) -> Result<bool, CellError> {
        Ok(false)
    }

    fn waited(&self) -> Waited {
        Waited::default()
    }

    fn is_first(&self, _: i32) -> bool {
        false
    }

    fn total(&mut self) -> Result<Total, CellError> {
        Ok(Total::nothing())
    }

    fn survived(&self) -> CellError {
        CellError::GuestSurvivesKill(self.0)
    }
}
