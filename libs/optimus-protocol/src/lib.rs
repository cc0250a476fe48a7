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
//! A number names one run at a time, and the worker uses each only once: a test that it wants to see run again is a run of
//! another number. Why it does so is its own affair: the agent decides nothing.
//!
//! Expected outputs never travel here.
#![forbid(unsafe_code)]

mod codec;
mod frame;
mod messages;

pub use codec::{Decoder, Frames, Part, encode, encode_json};
pub use frame::{
    CHUNK, FrameHeader, FrameKind, HEADER_LEN, JobStep, MAX_CONTROL, MAX_PAYLOAD, OutputTag, ProtocolError,
    Stream,
};
pub use messages::{
    CommandSpec, CompileDone, FileHeader, Held, JobHeader, Product, Ready, RunDone, TestHeader,
};

/// Raised with every incompatible change; a box of another version is refused.
pub const VERSION: u32 = 4;

/// Bytes of each stream of the compile step that travel. The agent counts what is more, and drops it: that a compiler
/// says much is no fault of a program.
pub const COMPILE_OUTPUT_KEPT: u64 = 1 << 20;

/// Entries of the work directory's top folder that a compile step may leave beside the sources. Every run is shown each of
/// them anew, before its clocks run.
pub const MOST_ENTRIES: usize = 1024;
