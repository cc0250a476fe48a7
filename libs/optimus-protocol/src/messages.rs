//! What control frames say, as JSON.

use std::collections::BTreeMap;

use optimus_common::{facts::RunFacts, limits::Limits};
use serde::{Deserialize, Serialize};

/// What the agent says in a line of JSON, without a frame, when it holds an image's files in memory. Whole pages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    pub files: u64,
    pub bytes: u64,
    /// For which the bound was too small.
    pub left_out_files: u64,
    pub left_out_bytes: u64,
}

/// The box is up and waits for its job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    pub version: u32,
    /// The first line of what the toolchain says of its own version, recorded when the image was built.
    pub toolchain: Option<String>,
}

/// Everything about a job except its files' contents and its inputs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobHeader {
    pub version: u32,
    /// Written below the box's work directory, in this order.
    pub files: Vec<FileHeader>,
    /// The compile step, for a language that has one.
    pub compile: Option<CommandSpec>,
    /// The program that the compile step has to make, relative to the box's work directory; `None` where what is run is not
    /// made by it, or that is not known.
    pub program: Option<String>,
    /// What else it has to make.
    #[serde(default)]
    pub product: Product,
    pub run: CommandSpec,
    /// Runs going on at once, at least 1.
    pub max_parallel_tests: u32,
}

/// What a compile step has to make that is no program by itself, such as a jar for Java's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Product {
    /// Nothing that is known.
    #[default]
    Unknown,
    /// A file beside the sources, whatever it is called.
    Anything,
    /// This file, or a folder with something in it, relative to the box's work directory.
    Named(String),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileHeader {
    /// A relative path, validated by the API and again by the agent.
    pub name: String,
    pub bytes: u64,
}

/// What is executed, and under which limits. Nothing in it is left to expand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandSpec {
    /// The program and its arguments; found by `PATH` of `env` where it has no slash.
    pub argv: Vec<String>,
    pub env: BTreeMap<String, String>,
    pub limits: Limits,
}

/// Announces one run; its input follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestHeader {
    /// Names this run in what the box answers. Chosen by the worker, of one run in the job, below `u32::MAX`.
    pub run: u32,
    pub input_bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompileDone {
    /// `None` where the language has no compile step. After anything but exit code 0 the box runs no test.
    pub facts: Option<RunFacts>,
    /// Whether the compile step ended well and made no program. Then, too, the box runs no test.
    pub program_missing: bool,
    /// Whether the compile step ended well and left more than [`MOST_ENTRIES`](crate::MOST_ENTRIES). Then, too, the box runs no test.
    #[serde(default)]
    pub too_many_entries: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunDone {
    pub run: u32,
    pub facts: RunFacts,
}
