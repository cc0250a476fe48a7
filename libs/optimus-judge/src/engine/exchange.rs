//! What the engine asks for and what it is told.
//!
//! Both name the box and the execution they are about, since a job may come to hold several boxes, and one box may do several
//! things at once.

use std::fmt;

use optimus_common::facts::RunFacts;
use optimus_protocol::{CommandSpec, Stream};

use crate::verdict::Program;

/// One of a job's boxes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BoxId(pub u32);

impl BoxId {
    /// The one that the submission's program is compiled and run in. A job has no other yet.
    pub const PROGRAM: Self = Self(0);
}

/// Something that a box was asked to execute. No two executions of a job have the same number: a test that is run again is
/// another execution. They count from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ExecutionId(pub(super) u32);

impl ExecutionId {
    /// The compile step. No other execution has this number, not even where there is no compile step.
    pub const COMPILE: Self = Self(u32::MAX);
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
    Execute(Execution<'a>),
    /// Nothing more is asked of this box.
    End {
        in_box: BoxId,
    },
}

/// A command and everything it is run with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Execution<'a> {
    pub in_box: BoxId,
    pub id: ExecutionId,
    pub purpose: Purpose,
    pub command: &'a CommandSpec,
    pub workdir: Workdir,
    pub input: &'a [u8],
}

/// What something is executed for. A box need not know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Compile,
    /// The test case with this id.
    Test(u64),
    /// The same once more: the first time all was right but that it took a little too long.
    TestAgain(u64),
}

/// Which work directory something is executed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Workdir {
    /// The box's own. What is left there stays, and nobody changes it once everything of this kind is over.
    Kept,
    /// A fresh layer above the box's own, once that is sealed. A failure of what was to fill it means that nothing is run.
    Fresh,
}

/// What happened in a box.
#[derive(Debug, Clone, PartialEq)]
pub enum Event<'e> {
    /// What was put into the box is there, and there was nothing to compile.
    Prepared { in_box: BoxId },
    /// An execution wrote something. Each stream comes in order.
    Output {
        in_box: BoxId,
        id: ExecutionId,
        stream: Stream,
        data: &'e [u8],
    },
    /// An execution in the kept work directory is over, and this is what it left there.
    Built {
        in_box: BoxId,
        id: ExecutionId,
        facts: RunFacts,
        program: Program,
    },
    /// An execution in a fresh work directory is over.
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
    #[error("the box says twice how the compile step ended")]
    CompiledTwice,
    #[error("the box does not know whether it had to compile")]
    OtherRecipe,
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
