//! The frames between a worker and the agent in its box.
//!
//! Every frame is one byte of kind, four bytes of payload length (big-endian), and the payload. Control frames carry
//! JSON, data frames raw bytes, so program output and control data never share an unframed stream. Both directions
//! start with a frame that names [`VERSION`].
//!
//! ```text
//! worker -> box                              box -> worker
//!                                            Ready
//! Begin
//! Put, Data ...     (each file)
//! Prepare
//! Exec, Data ...    (the compile step)
//!                                            Output ...
//!                                            Exited
//! Seal
//!                                            Sealed
//! Exec, Data ...    (a test and its input)
//!                                            Output ...
//!                                            Exited
//! Exec ...          (any number)
//! End
//!                                            (closes)
//! ```
//!
//! The box decides nothing. After [`FrameKind::Prepare`] it executes what it is sent: in the work directory itself, one at
//! a time, until [`FrameKind::Seal`]; afterwards each in a copy of its own, so many at once as [`Begin`] says.
//! [`FrameKind::End`] may come at any time after `Prepare`, as for a program that does not compile.
//!
//! The worker need not wait for answers: an `Exec` beyond the number of places, or a [`FrameKind::Get`] beyond one that waits
//! for another file to be sent, holds back everything behind it, and the pipe is the queue. A worker that wants to see one
//! result before it sends the next frame simply waits. One that has an execution with a live standard input going on must not
//! send an `Exec` beyond the number of places: what it sends to that input would stand behind it. A place is free for it from
//! the [`FrameKind::Exited`] of an execution on. That the next one may have to wait until the box is cleared up, or has a process
//! for it, holds nothing back: it can be fed and killed meanwhile.
//!
//! An execution with [`StdinSource::Live`] reads what comes as [`FrameKind::Input`], at most [`WINDOW`] bytes beyond what
//! [`FrameKind::InputTaken`] has told, until [`FrameKind::CloseInput`], `Seal` or `End`. What comes for one that is over,
//! or that reads no more, is dropped. [`FrameKind::Kill`] ends one; for one that is over it means nothing. `Seal` and `End` are read
//! before what goes on is over, and what stands behind them afterwards: nothing reaches an execution from behind them.
//!
//! What an execution prints for another one to read has a window as well, [`StdoutFlow::Windowed`]: then both boxes are read all
//! the time, and neither makes the worker keep more than a window of what the other does not read. Such an output has an end of
//! its own, [`FrameKind::StdoutClosed`]: a program may say that it has said everything, and go on to listen.
//!
//! When the box's input closes, the worker is gone, also behind a `Seal` or the `End`: the agent kills everything and leaves. So a
//! worker keeps its side open until the box has closed its own.
//!
//! Expected outputs never travel here.
#![forbid(unsafe_code)]

mod codec;
mod frame;
mod messages;

pub use codec::{Decoder, Frames, Part, encode, encode_json};
pub use frame::{
    CHUNK, ExecId, FrameHeader, FrameKind, HEADER_LEN, MAX_CONTROL, MAX_PAYLOAD, OutputTag, ProtocolError,
    Stream, Taken, WINDOW, WINDOW_SLACK,
};
pub use messages::{
    Begin, CommandSpec, Exec, Exited, FileFound, Get, Held, Prepare, Product, Put, Ready, Seal, Sealed,
    StdinSource, StdoutFlow,
};

/// Raised with every incompatible change; a box of another version is refused.
pub const VERSION: u32 = 5;

/// Bytes of each stream of the compile step that travel: that a compiler says much is no fault of a program.
pub const COMPILE_OUTPUT_KEPT: u64 = 1 << 20;

/// Entries of the work directory's top folder that a compile step may leave beside the sources. Every run is shown each of
/// them anew, before its clocks run.
pub const MOST_ENTRIES: usize = 1024;
