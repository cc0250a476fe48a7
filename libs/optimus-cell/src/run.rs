//! What is said of runs: where they go on, what they do, and what is wanted of them.

use optimus_common::facts::RunFacts;
use optimus_protocol::Stream;

/// One place for a run, with a UID of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot(pub(crate) usize);

impl Slot {
    pub fn index(self) -> usize {
        self.0
    }
}

/// Something a run has done.
#[derive(Debug)]
pub enum Event<'a> {
    /// Bytes of a stream, in order, never beyond the limit.
    Output {
        slot: Slot,
        stream: Stream,
        data: &'a [u8],
    },
    /// No process of the run has its standard output open, and all that was written has come. Only of a run that was started with
    /// [`StdoutEnd::Told`].
    StdoutClosed { slot: Slot },
    /// The run is over and none of its processes is left. Nothing more comes of it.
    Ended { slot: Slot, facts: RunFacts },
}

/// Whether more output can be taken. While it is held, guests that write come to wait. The wall clock stands still only where that
/// is of the whole box, see [`Supervisor::advance`](crate::Supervisor::advance); all other limits go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputFlow {
    Reading,
    Paused,
}

/// Whether it is told that a run has closed its standard output before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StdoutEnd {
    Untold,
    Told,
}

/// What became of an attempt to start a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartResult {
    /// Its facts will come, also where the program could not be executed.
    Started,
    /// The box has as many processes as it may: try again when another run has ended.
    Crowded,
}

/// What becomes of the work directory after a run. Other folders that guests may write to are always as they were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkdirPolicy {
    /// What a run leaves there is what later ones find: the compile step's.
    Persistent,
    /// What a run leaves there is dropped: each run finds the directory as it was sealed.
    PerRun,
}
