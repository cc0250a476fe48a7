//! The process tree of one run, whichever way it is kept apart from others.

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use optimus_common::{limits::Limits, weaken};
use optimus_protocol::CommandSpec;

use crate::{
    asked::Asked,
    command::Command,
    error::CellError,
    guest::GuestId,
    kill::Remains,
    launch::{Restrictions, Stdio},
    looks::Looks,
    meter::{Pace, Total, Usage},
    nested::{Cells, NestedTree},
    proc_files::{Ready, Waiting},
    reaper::{Death, Reaped},
    shared::{Commons, GuestFiles, SharedTree},
    step::Outcome,
    waited::Waited,
};

/// How the runs of a box are kept apart.
#[derive(Debug)]
pub(crate) enum Ground {
    /// By the UIDs of their guests.
    Shared(Rc<Commons>),
    /// Each by a cell of its own.
    Nested(Cells),
}

/// What became of a command.
#[derive(Debug)]
pub(crate) enum Begun {
    /// With what it asks through, if it can ask.
    Running(Tree, Option<Asked>),
    /// It cannot be executed, and why. What there is of a tree is on its way out, and dies like any other.
    NotStarted(Tree, String),
    /// The box has as many processes as it may.
    Crowded,
}

impl Ground {
    /// How often a run is looked at.
    pub(crate) fn pace(&self) -> Pace {
        match self {
            Self::Shared(commons) => commons.pace(),
            Self::Nested(cells) => cells.pace(),
        }
    }

    pub(crate) fn start(
        &mut self,
        spec: &CommandSpec,
        guest: GuestId,
        restrictions: &Restrictions,
        stdio: Stdio<'_>,
    ) -> Result<Begun, CellError> {
        let command = match Command::new(spec, guest) {
            Ok(command) => command,
            Err(error) => return Ok(Begun::NotStarted(Tree::Empty, error)),
        };
        let begun = match self {
            Self::Shared(commons) => {
                SharedTree::start(commons, &command, &spec.limits, guest, restrictions, stdio)?
                    .map(|(tree, outcome)| (Tree::Shared(tree), outcome))
            }
            Self::Nested(cells) => cells
                .start(spec, command, guest, restrictions, stdio)?
                .map(|(tree, outcome)| (Tree::Nested(tree), outcome)),
        };
        Ok(match begun {
            Some((tree, Outcome::Running(listener))) => {
                Begun::Running(tree, listener.map(|listener| Asked::new(listener, guest)))
            }
            Some((tree, Outcome::NotExecutable(error))) => {
                let name = spec.argv.first().map_or("", String::as_str);
                Begun::NotStarted(tree, format!("cannot execute {name}: {error}"))
            }
            Some((_, Outcome::Crowded)) | None => Begun::Crowded,
        })
    }
}

#[derive(Debug)]
pub(crate) enum Tree {
    /// The command named nothing that could be started.
    Empty,
    Shared(SharedTree),
    Nested(NestedTree),
}

impl Tree {
    /// Takes note of a dead process; `false` where it is none of this tree's.
    pub(crate) fn reaped(&mut self, process: &Reaped) -> bool {
        match self {
            Self::Empty => false,
            Self::Shared(tree) => tree.reaped(process),
            Self::Nested(tree) => tree.reaped(process),
        }
    }

    /// How the first process died by itself.
    pub(crate) fn death(&self) -> Result<Option<Death>, CellError> {
        match self {
            Self::Empty => Ok(None),
            Self::Shared(tree) => Ok(tree.death()),
            Self::Nested(tree) => tree.death(),
        }
    }

    /// How the first process died, where that is noted before the news of it can come: what is left of its surroundings may have to
    /// wait for a lock of the host's.
    pub(crate) fn noted_death(&self) -> Option<Death> {
        match self {
            Self::Empty | Self::Shared(_) => None,
            Self::Nested(tree) => tree.noted_death(),
        }
    }

    /// When the first process started, where that is known better than by looking at a clock.
    pub(crate) fn started(&self) -> Option<Instant> {
        match self {
            Self::Empty | Self::Shared(_) => None,
            Self::Nested(tree) => Some(tree.started()),
        }
    }

    /// How long the first process lived, where that is known better than by looking at a clock.
    pub(crate) fn lifetime(&self) -> Option<Duration> {
        match self {
            Self::Empty | Self::Shared(_) => None,
            Self::Nested(tree) => tree.lifetime(),
        }
    }

    /// Kills every process, stopped and orphaned ones included. To be called until none is left.
    pub(crate) fn kill(&mut self) -> Result<Remains, CellError> {
        match self {
            Self::Empty => Ok(Remains::None),
            Self::Shared(tree) => tree.kill(),
            Self::Nested(tree) => tree.kill(),
        }
    }

    /// What it has used until now.
    pub(crate) fn sample(&mut self, limits: &Limits) -> Result<Usage, CellError> {
        match self {
            Self::Empty => Ok(Usage::default()),
            Self::Shared(tree) => tree.sample(limits),
            Self::Nested(tree) => tree.sample(limits),
        }
    }

    /// How long after its start it is first looked at.
    pub(crate) fn first_look(&self) -> Duration {
        match self {
            Self::Empty | Self::Shared(_) => Looks::FIRST,
            Self::Nested(tree) => tree.first_look(),
        }
    }

    /// Looks at its processes one by one, which costs more than a sample, and tells how long each thread has waited.
    pub(crate) fn look(&mut self) -> Result<Vec<Waiting>, CellError> {
        match self {
            Self::Empty => Ok(Vec::new()),
            Self::Shared(tree) => tree.look(),
            Self::Nested(tree) => tree.look(),
        }
    }

    /// Its threads that do not sleep at this moment.
    pub(crate) fn ready(&self) -> Result<Vec<Ready>, CellError> {
        match self {
            Self::Empty => Ok(Vec::new()),
            Self::Shared(tree) => tree.ready(),
            Self::Nested(tree) => tree.ready(),
        }
    }

    /// Whether it has ended by itself at this moment, and only the news of it is on its way.
    pub(crate) fn is_over(&self) -> Result<bool, CellError> {
        match self {
            Self::Empty => Ok(false),
            Self::Shared(tree) => Ok(tree.is_over()),
            Self::Nested(tree) => tree.is_over(),
        }
    }

    /// How long the first process had waited when it died, where that is known.
    pub(crate) fn waited(&self) -> Waited {
        match self {
            Self::Empty => Waited::default(),
            Self::Shared(tree) => tree.waited(),
            Self::Nested(tree) => tree.waited(),
        }
    }

    /// Whether this is a child of the agent's whose death tells how the first process died.
    pub(crate) fn is_first(&self, pid: i32) -> bool {
        match self {
            // Of a cell, its own first process looks at the guest's.
            Self::Empty | Self::Nested(_) => false,
            Self::Shared(tree) => tree.is_first(pid),
        }
    }

    /// The sums, once no process is left.
    pub(crate) fn total(&mut self) -> Result<Total, CellError> {
        match self {
            Self::Empty => Ok(Total::nothing()),
            Self::Shared(tree) => tree.total(),
            Self::Nested(tree) => tree.total(),
        }
    }

    /// Processes are gone, but not every trace of them.
    pub(crate) fn into_traces(self) -> Traces {
        match self {
            Self::Empty | Self::Nested(_) => Traces::None,
            Self::Shared(_) if weaken::is_off("fresh-files") => Traces::None,
            Self::Shared(tree) => Traces::Files(tree.into_litter()),
        }
    }

    pub(crate) fn survived(&self, guest: GuestId) -> CellError {
        match self {
            Self::Empty | Self::Shared(_) => CellError::Survivors(guest),
            Self::Nested(_) => CellError::Survivor,
        }
    }
}

/// What is left of a tree after its processes.
#[derive(Debug)]
pub(crate) enum Traces {
    None,
    Files(GuestFiles),
}

impl Traces {
    pub(crate) fn reaped(&mut self, process: &Reaped) -> bool {
        match self {
            Self::None => false,
            Self::Files(files) => files.reaped(process),
        }
    }

    /// Goes on with removing them, and tells whether anything is left.
    pub(crate) fn clear(&mut self, since: Instant) -> Result<Remains, CellError> {
        match self {
            Self::None => Ok(Remains::None),
            Self::Files(files) => files.clear(since),
        }
    }
}
