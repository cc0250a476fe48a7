//! The frames between a worker and the agent in its box.
//!
//! Every frame is one byte of kind, four bytes of payload length (big-endian), and the payload. Control frames carry
//! JSON, data frames raw bytes, so program output and control data never share an unframed stream. Both directions
//! start with a frame that names [`VERSION`].
//!
//! ```text
//! worker -> box                              box -> worker
//!                                            Ready
//! Job
//! FileData ...      (each file in order)
//!                                            Output ... (of the compile step)
//!                                            CompileDone
//! Test
//! InputData ...     (input_bytes in all)
//!                                            Output ... (of that run)
//!                                            RunDone
//! Test ...          (any number)
//! End
//!                                            (closes)
//! ```
//!
//! The worker need not wait: the agent reads the next `Test` when it has a free slot, and the pipe holds the rest
//! back. A worker that wants to see one result before it sends the next test simply waits. When the box's input
//! closes before `End`, the worker is gone: the agent kills everything and leaves.
//!
//! The worker may send a test a second time, under the same number, after its `RunDone`: what follows of that run is of
//! the second try, and what came before is void. Why it does so is its own affair: the agent decides nothing.
//!
//! Expected outputs never travel here.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use optimus_common::{facts::RunFacts, limits::Limits};

/// Raised with every incompatible change; a box of another version is refused.
pub const VERSION: u32 = 4;

/// Bytes of each stream of the compile step that travel. The agent counts what is more, and drops it: that a compiler
/// says much is no fault of a program.
pub const COMPILE_OUTPUT_KEPT: u64 = 1 << 20;

/// Entries of the work directory's top folder that a compile step may leave beside the sources. Every run is shown each of
/// them anew, before its clocks run.
pub const MOST_ENTRIES: usize = 1024;

/// Largest payload of one frame. A peer that announces more is broken or hostile.
pub const MAX_PAYLOAD: usize = 1 << 20;

/// Bytes before the payload.
pub const HEADER_LEN: usize = 5;

/// Largest slice of data a sender puts in one frame: large enough to be cheap, small enough to interleave.
pub const CHUNK: usize = 64 << 10;

/// What the agent says in a line of JSON, without a frame, when it holds an image's files in memory. Whole pages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    pub files: u64,
    pub bytes: u64,
    /// For which the bound was too small.
    pub left_out_files: u64,
    pub left_out_bytes: u64,
}

/// What a frame carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum FrameKind {
    // To the box.
    /// JSON [`JobHeader`].
    Job = 1,
    /// Raw bytes of the current file.
    FileData = 2,
    /// JSON [`TestHeader`].
    Test = 3,
    /// Raw bytes of the current test's input.
    InputData = 4,
    /// Empty: no more tests.
    End = 5,
    // From the box.
    /// JSON [`Ready`].
    Ready = 65,
    /// [`OutputTag`], then raw bytes.
    Output = 66,
    /// JSON [`CompileDone`].
    CompileDone = 67,
    /// JSON [`RunDone`].
    RunDone = 68,
    /// UTF-8 text: the agent cannot go on, and why. Always the system's fault, never the program's.
    Fault = 69,
}

impl FrameKind {
    pub fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Job,
            2 => Self::FileData,
            3 => Self::Test,
            4 => Self::InputData,
            5 => Self::End,
            65 => Self::Ready,
            66 => Self::Output,
            67 => Self::CompileDone,
            68 => Self::RunDone,
            69 => Self::Fault,
            _ => return None,
        })
    }
}

/// A frame's header, apart from its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeader {
    pub kind: FrameKind,
    pub len: usize,
}

/// Bytes that are no frame of this protocol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    #[error("unknown frame kind {0}")]
    UnknownKind(u8),
    #[error("a frame announces {0} bytes; at most {MAX_PAYLOAD} are allowed")]
    TooLong(usize),
    #[error("an output frame of {0} bytes has no complete tag")]
    ShortOutput(usize),
    #[error("unknown output stream {0}")]
    UnknownStream(u8),
}

impl FrameHeader {
    pub fn encode(self) -> [u8; HEADER_LEN] {
        debug_assert!(self.len <= MAX_PAYLOAD);
        let len = u32::try_from(self.len).unwrap_or(u32::MAX).to_be_bytes();
        [self.kind as u8, len[0], len[1], len[2], len[3]]
    }

    pub fn decode(bytes: [u8; HEADER_LEN]) -> Result<Self, ProtocolError> {
        let [kind, length @ ..] = bytes;
        let kind = FrameKind::from_byte(kind).ok_or(ProtocolError::UnknownKind(kind))?;
        let len = u32::from_be_bytes(length) as usize;
        if len > MAX_PAYLOAD {
            return Err(ProtocolError::TooLong(len));
        }
        Ok(Self { kind, len })
    }
}

/// Which step of the job some output or facts belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobStep {
    Compile,
    /// The run with this [`TestHeader::run`].
    Run(u32),
}

/// One of a program's two output streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Stream {
    Stdout = 1,
    Stderr = 2,
}

/// The five bytes before the data of an [`FrameKind::Output`] frame: the run (`u32::MAX` for the compile step,
/// big-endian), then the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutputTag {
    pub step: JobStep,
    pub stream: Stream,
}

impl OutputTag {
    pub const LEN: usize = 5;

    pub fn encode(self) -> [u8; Self::LEN] {
        let run = match self.step {
            JobStep::Compile => u32::MAX,
            JobStep::Run(run) => run,
        };
        let run = run.to_be_bytes();
        [run[0], run[1], run[2], run[3], self.stream as u8]
    }

    /// Splits a payload into its tag and its data.
    pub fn decode(payload: &[u8]) -> Result<(Self, &[u8]), ProtocolError> {
        let Some((&[a, b, c, d, stream], data)) = payload.split_first_chunk() else {
            return Err(ProtocolError::ShortOutput(payload.len()));
        };
        let step = match u32::from_be_bytes([a, b, c, d]) {
            u32::MAX => JobStep::Compile,
            run => JobStep::Run(run),
        };
        let stream = match stream {
            1 => Stream::Stdout,
            2 => Stream::Stderr,
            other => return Err(ProtocolError::UnknownStream(other)),
        };
        Ok((Self { step, stream }, data))
    }
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
    /// Names this run in what the box answers. Chosen by the worker, of one test in the job, below `u32::MAX`.
    pub run: u32,
    pub input_bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompileDone {
    /// `None` where the language has no compile step. After anything but exit code 0 the box runs no test.
    pub facts: Option<RunFacts>,
    /// Whether the compile step ended well and made no program. Then, too, the box runs no test.
    pub program_missing: bool,
    /// Whether the compile step ended well and left more than [`MOST_ENTRIES`]. Then, too, the box runs no test.
    #[serde(default)]
    pub too_many_entries: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunDone {
    pub run: u32,
    pub facts: RunFacts,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn headers_survive_the_wire(kind in any::<u8>(), len in 0..=MAX_PAYLOAD) {
            if let Some(kind) = FrameKind::from_byte(kind) {
                let header = FrameHeader { kind, len };
                prop_assert_eq!(FrameHeader::decode(header.encode()), Ok(header));
            }
        }

        #[test]
        fn decoding_never_panics(bytes in any::<[u8; HEADER_LEN]>(), payload in any::<Vec<u8>>()) {
            if let Ok(header) = FrameHeader::decode(bytes) {
                prop_assert!(header.len <= MAX_PAYLOAD);
                prop_assert_eq!(header.encode(), bytes);
            }
            if let Ok((tag, data)) = OutputTag::decode(&payload) {
                prop_assert_eq!(&[&tag.encode()[..], data].concat(), &payload);
            }
        }
    }
}
