//! What the engine asks for and what it is told.
//!
//! Both name the box and the execution they are about, since a job may come to hold several boxes, and one box may do several
//! things at once.

use std::fmt;

use optimus_common::facts::RunFacts;
use optimus_protocol::{CommandSpec, ExecId, Seal, Sealed, Stream};

/// One of a job's boxes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BoxId(pub u32);

impl BoxId {
    /// The one that the submission's program is compiled and run in.
    pub const PROGRAM: Self = Self(0);
}

/// Something that a box was asked to execute. No two executions in a box have the same number: a test that is run again is
/// another execution. They count upwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ExecutionId(pub(super) u32);

impl From<ExecutionId> for ExecId {
    fn from(id: ExecutionId) -> Self {
        Self(id.0)
    }
}

impl From<ExecId> for ExecutionId {
    fn from(id: ExecId) -> Self {
        Self(id.0)
    }
}

impl ExecutionId {
    /// The compile step. No other execution has this number, not even where there is no compile step.
    pub const COMPILE: Self = Self(0);
}

/// What is to be done next, in the order in which it was offered. The next one may be asked for while this one is still under
/// way in its box: a box that is busy takes the next execution when it has room for it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Action<'a> {
    /// A file is to be in the box's work directory, before anything is executed there.
    Put {
        in_box: BoxId,
        name: &'a str,
        content: &'a [u8],
    },
    /// All files are there, and these folders are to be beside them.
    Prepare { in_box: BoxId, folders: &'a [String] },
    /// Before the seal in the box's work directory itself, afterwards in a fresh layer above it.
    Execute(Execution<'a>),
    /// What lies in the work directory is to stay as it is, and should have this.
    Seal { in_box: BoxId, expected: &'a Seal },
    /// What one execution prints is what the other one reads, until the one closes its output or is over. Before both of them.
    Connect { from: Endpoint, to: Endpoint },
    /// Nothing more is asked of this box.
    End { in_box: BoxId },
}

/// A command and everything it is run with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Execution<'a> {
    pub in_box: BoxId,
    pub id: ExecutionId,
    pub purpose: Purpose,
    pub command: &'a CommandSpec,
    /// Bytes of each stream that are wanted; `None` for all of them.
    pub wanted_bytes: Option<u64>,
    pub reads: Reads<'a>,
}

/// What an execution finds at its standard input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reads<'a> {
    Bytes(&'a [u8]),
    /// What another one prints, by an [`Action::Connect`] before it. Its own output goes to another one as well.
    Connected,
}

/// An execution, as it is named among those of all boxes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Endpoint {
    pub in_box: BoxId,
    pub id: ExecutionId,
}

/// What something is executed for. A box need not know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Compile,
    /// The test case with this id.
    Test(u64),
    /// The same once more: the first time all was right but that it took a little too long.
    TestAgain(u64),
    /// A program that talks to one in another box.
    Part,
}

/// What happened in a box.
#[derive(Debug, Clone, PartialEq)]
pub enum Event<'e> {
    /// An execution wrote something. Each stream comes in order.
    Output {
        in_box: BoxId,
        id: ExecutionId,
        stream: Stream,
        data: &'e [u8],
    },
    /// The work directory is sealed, and this is what was found there.
    Sealed { in_box: BoxId, found: Sealed },
    /// An execution is over.
    Ended {
        in_box: BoxId,
        id: ExecutionId,
        facts: RunFacts,
    },
}

/// What no sound box would report, or that it left too early. Always the system's fault, and never a verdict.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    #[error("the job has no {0}")]
    UnknownBox(BoxId),
    #[error("the box speaks of {0}, which nobody asked for or which is over")]
    Unexpected(ExecutionId),
    #[error("the box says that its work directory is sealed, which nobody asked for or which it has said")]
    UnexpectedSeal,
    #[error("{got} bytes of {stream} arrived from {id}, which wrote {written}")]
    LostOutput {
        id: ExecutionId,
        stream: &'static str,
        got: u64,
        written: u64,
    },
    #[error("the compiler could not be started: {0}")]
    CompilerNotStarted(String),
    #[error("the box left before the compile step was over")]
    NotCompiled,
    #[error("the box left before test case {0} was run")]
    TestMissing(u64),
    #[error("a box left before both programs were over")]
    PartMissing,
}

impl fmt::Display for BoxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "box {}", self.0)
    }
}

impl fmt::Display for ExecutionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::COMPILE => f.write_str("the compile step"),
            Self(number) => write!(f, "execution {number}"),
        }
    }
}
