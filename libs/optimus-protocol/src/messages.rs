//! What control frames say, as JSON.

use std::collections::BTreeMap;

use optimus_common::{facts::RunFacts, limits::Limits};
use serde::{Deserialize, Serialize};

use crate::ExecId;

/// What the agent says in a line of JSON, without a frame, when it holds an image's files in memory. Whole pages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    pub files: u64,
    pub bytes: u64,
    /// Files that are not held, since they would exceed the bound.
    pub left_out_files: u64,
    pub left_out_bytes: u64,
}

/// The box is up and waits for its job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    pub version: u32,
    /// The first line of what the toolchain says of its own version, recorded when the image was built.
    pub toolchain: Option<String>,
    /// The most executions that the box can have going on at once, at least 1. A box of an earlier version has no such number, and
    /// is still to be understood so far.
    #[serde(default)]
    pub places: u32,
}

/// What a box is to be to this worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begin {
    pub version: u32,
    /// Executions going on at once when the work directory is sealed: at least 1, and no more than the places that it has told.
    pub parallel: u32,
}

/// A file to write below the box's work directory, with the folders that its path needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Put {
    /// A relative path, validated by the API and again by the agent.
    pub path: String,
    pub bytes: u64,
}

/// All files are there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prepare {
    /// Empty folders that are to be at the top of the work directory, such as the one for what a compiler makes.
    pub folders: Vec<String>,
}

/// What a compile step has to make that is no program by itself, such as a jar for Java's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Product {
    /// What it makes is not known.
    #[default]
    Unknown,
    /// A file beside the sources, whatever it is called.
    Anything,
    /// This file, or a folder with something in it, relative to the box's work directory.
    Named(String),
}

/// What is executed, and under which limits. Nothing in it is left to expand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandSpec {
    /// The program and its arguments; found by `PATH` of `env` where it has no slash.
    pub argv: Vec<String>,
    pub env: BTreeMap<String, String>,
    pub limits: Limits,
}

/// Starts a command. Before `Seal` it works in the work directory itself, and no other goes on at the same time; afterwards it
/// has a copy of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exec {
    /// Larger than that of any execution before in this box.
    pub id: ExecId,
    pub command: CommandSpec,
    /// Bytes of each stream that travel. What is more is counted and dropped; `None` where nothing is.
    pub sent_bytes: Option<u64>,
    pub stdin: StdinSource,
    #[serde(default)]
    pub stdout: StdoutFlow,
}

/// How a standard output comes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StdoutFlow {
    /// As fast as the worker reads what the box sends.
    #[default]
    Free,
    /// At most [`WINDOW`](crate::WINDOW) bytes, and [`WINDOW_SLACK`](crate::WINDOW_SLACK), beyond what the worker has told as
    /// taken, while the box goes on with everything else. The program is held back meanwhile, and its wall clock goes on: what it
    /// waits for is another program, as when it reads. `Kill`, `Seal` and `End` lift the window. When no process of it has the
    /// stream open any more, that is told by [`StdoutClosed`](crate::FrameKind::StdoutClosed), so that whoever reads it finds an end.
    Windowed,
}

/// Where a standard input comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StdinSource {
    /// So many bytes that follow at once, as `Data`. The program finds a file.
    Bytes(u64),
    /// What the worker sends while the program runs, as `Input`. The program finds a pipe.
    Live,
}

/// How it ended. Nothing more comes of this execution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exited {
    pub id: ExecId,
    pub facts: RunFacts,
}

/// What the work directory is expected to have. Whatever the answer, it is sealed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal {
    /// The program that the compile step has to make, relative to the box's work directory; `None` where what is run is not
    /// made by it, or that is not known.
    pub program: Option<String>,
    /// What else it has to make.
    pub product: Product,
}

/// What the work directory has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// Whether something that was expected is missing.
    pub program_missing: bool,
    /// Whether its top folder has more than [`MOST_ENTRIES`](crate::MOST_ENTRIES) entries beside what was put there.
    pub too_many_entries: bool,
}

/// Asks for a regular file of the sealed work directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Get {
    /// Relative to the work directory. Links are not followed.
    pub path: String,
    pub most_bytes: u64,
}

/// What became of a `Get`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileFound {
    /// So many bytes follow at once, as `Data`.
    Bytes(u64),
    /// There is no such thing, or it is no regular file of the compile step's.
    Missing,
    /// It has so many bytes, which is more than were wanted.
    TooLarge(u64),
}
