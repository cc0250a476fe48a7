//! The process tree of one run, whichever way it is kept apart from others.

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use optimus_common::{limits::Limits, weaken};
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
    namespace_isolation::{NamespaceIsolation, NamespacedTree},
    proc_files::{RunnableThread, ThreadWait},
    reaper::Reaped,
    scans::Scans,
    seccomp_notify::SeccompListener,
    uid_isolation::{GuestFiles, UidIsolation, UidTree},
    waited::Waited,
};

/// How the runs of a box are kept apart.
#[derive(Debug)]
pub(crate) enum Isolation {
    /// By the UIDs of their guests.
    Uid(Rc<UidIsolation>),
    /// Each by a cell of its own.
    Namespaced(NamespaceIsolation),
}

/// What became of a command.
#[derive(Debug)]
pub(crate) enum Launched {
    /// With what it asks through, if it can ask.
    Running(ProcessTree, Option<SeccompListener>),
    /// It cannot be executed, and why. What there is of a tree is on its way out, and dies like any other.
    NotStarted(ProcessTree, String),
    /// The box has as many processes as it may.
    Crowded,
}

impl Isolation {
    /// How often a run is looked at.
    pub(crate) fn pace(&self) -> Pace {
        match self {
            Self::Uid(isolation) => isolation.pace(),
            Self::Namespaced(isolation) => isolation.pace(),
        }
    }

    pub(crate) fn start(
        &mut self,
        spec: &CommandSpec,
        guest: GuestId,
        restrictions: &Restrictions,
        stdio: Stdio<'_>,
    ) -> Result<Launched, CellError> {
        let command = match Command::new(spec, guest) {
            Ok(command) => command,
            Err(error) => return Ok(Launched::NotStarted(ProcessTree::Empty, error)),
        };
        let launched = match self {
            Self::Uid(isolation) => {
                UidTree::start(isolation, &command, &spec.limits, guest, restrictions, stdio)?
                    .map(|(tree, outcome)| (ProcessTree::Uid(tree), outcome))
            }
            Self::Namespaced(isolation) => isolation
                .start(spec, command, guest, restrictions, stdio)?
                .map(|(tree, outcome)| (ProcessTree::Namespaced(tree), outcome)),
        };
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
}

#[derive(Debug)]
pub(crate) enum ProcessTree {
    /// The command named nothing that could be started.
    Empty,
    Uid(UidTree),
    Namespaced(NamespacedTree),
}

impl ProcessTree {
    /// Takes note of a dead process; `false` where it is none of this tree's.
    pub(crate) fn reaped(&mut self, process: &Reaped) -> bool {
        match self {
            Self::Empty => false,
            Self::Uid(tree) => tree.reaped(process),
            Self::Namespaced(tree) => tree.reaped(process),
        }
    }

    /// How the first process died by itself.
    pub(crate) fn death(&self) -> Result<Option<Death>, CellError> {
        match self {
            Self::Empty => Ok(None),
            Self::Uid(tree) => Ok(tree.death()),
            Self::Namespaced(tree) => tree.death(),
        }
    }

    /// How the first process died, where that is noted before the news of it can come: what is left of its surroundings may have to
    /// wait for a lock of the host's.
    pub(crate) fn reported_death(&self) -> Option<Death> {
        match self {
            Self::Empty | Self::Uid(_) => None,
            Self::Namespaced(tree) => tree.reported_death(),
        }
    }

    /// When the first process started, where that is known better than by looking at a clock.
    pub(crate) fn started(&self) -> Option<Instant> {
        match self {
            Self::Empty | Self::Uid(_) => None,
            Self::Namespaced(tree) => Some(tree.started()),
        }
    }

    /// How long the first process lived, where that is known better than by looking at a clock.
    pub(crate) fn lifetime(&self) -> Option<Duration> {
        match self {
            Self::Empty | Self::Uid(_) => None,
            Self::Namespaced(tree) => tree.lifetime(),
        }
    }

    /// Kills every process, stopped and orphaned ones included. To be called until none is left.
    pub(crate) fn kill(&mut self) -> Result<Leftovers, CellError> {
        match self {
            Self::Empty => Ok(Leftovers::None),
            Self::Uid(tree) => tree.kill(),
            Self::Namespaced(tree) => tree.kill(),
        }
    }

    /// What it has used until now.
    pub(crate) fn sample(&mut self, limits: &Limits) -> Result<Usage, CellError> {
        match self {
            Self::Empty => Ok(Usage::default()),
            Self::Uid(tree) => tree.sample(limits),
            Self::Namespaced(tree) => tree.sample(limits),
        }
    }

    /// How long after its start it is first looked at.
    pub(crate) fn first_scan(&self) -> Duration {
        match self {
            Self::Empty | Self::Uid(_) => Scans::FIRST,
            Self::Namespaced(tree) => tree.first_scan(),
        }
    }

    /// Looks at its processes one by one, which costs more than a sample, and tells how long each thread has waited.
    pub(crate) fn scan(&mut self) -> Result<Vec<ThreadWait>, CellError> {
        match self {
            Self::Empty => Ok(Vec::new()),
            Self::Uid(tree) => tree.scan(),
            Self::Namespaced(tree) => tree.scan(),
        }
    }

    /// Its threads that do not sleep at this moment.
    pub(crate) fn ready(&self) -> Result<Vec<RunnableThread>, CellError> {
        match self {
            Self::Empty => Ok(Vec::new()),
            Self::Uid(tree) => tree.ready(),
            Self::Namespaced(tree) => tree.ready(),
        }
    }

    /// Whether it has ended by itself at this moment, and only the news of it is on its way.
    pub(crate) fn is_over(&self) -> Result<bool, CellError> {
        match self {
            Self::Empty => Ok(false),
            Self::Uid(tree) => Ok(tree.is_over()),
            Self::Namespaced(tree) => tree.is_over(),
        }
    }

    /// How long the first process had waited when it died, where that is known.
    pub(crate) fn waited(&self) -> Waited {
        match self {
            Self::Empty => Waited::default(),
            Self::Uid(tree) => tree.waited(),
            Self::Namespaced(tree) => tree.waited(),
        }
    }

    /// Whether this is a child of the agent's whose death tells how the first process died.
    pub(crate) fn is_first(&self, pid: i32) -> bool {
        match self {
            // Of a cell, its own first process looks at the guest's.
            Self::Empty | Self::Namespaced(_) => false,
            Self::Uid(tree) => tree.is_first(pid),
        }
    }

    /// The sums, once no process is left.
    pub(crate) fn total(&mut self) -> Result<Total, CellError> {
        match self {
            Self::Empty => Ok(Total::nothing()),
            Self::Uid(tree) => tree.total(),
            Self::Namespaced(tree) => tree.total(),
        }
    }

    /// Processes are gone, but not every trace of them.
    pub(crate) fn into_residue(self) -> Residue {
        match self {
            Self::Empty | Self::Namespaced(_) => Residue::None,
            Self::Uid(_) if weaken::is_off("fresh-files") => Residue::None,
            Self::Uid(tree) => Residue::Files(tree.into_guest_files()),
        }
    }

    pub(crate) fn survived(&self, guest: GuestId) -> CellError {
        match self {
            Self::Empty | Self::Uid(_) => CellError::GuestSurvivesKill(guest),
            Self::Namespaced(_) => CellError::CellSurvivesKill,
        }
    }
}

/// What is left of a tree after its processes.
#[derive(Debug)]
pub(crate) enum Residue {
    None,
    Files(GuestFiles),
}

impl Residue {
    pub(crate) fn reaped(&mut self, process: &Reaped) -> bool {
        match self {
            Self::None => false,
            Self::Files(files) => files.reaped(process),
        }
    }

    /// Goes on with removing them, and tells whether anything is left.
    pub(crate) fn clear(&mut self, since: Instant) -> Result<Leftovers, CellError> {
        match self {
            Self::None => Ok(Leftovers::None),
            Self::Files(files) => files.clear(since),
        }
    }
}
