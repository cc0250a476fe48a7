//! The bodies of the fuzz targets: what is done with bytes that anybody might have written, and what must hold
//! whatever they are.
//!
//! Each target is a function of bytes that panics where a promise is broken. Below `fuzz/` each is a program that
//! searches for such bytes; in this workspace `tests/replay.rs` calls each with its seeds and with every input that
//! ever broke it. What they may allocate is bounded by `memory`.
#![forbid(unsafe_code)]
#![cfg(all(fuzzing, target_os = "linux"))]

mod memory;
mod pieces;
mod targets;

pub use targets::{
    box_frames::box_frames, checkers::checkers, languages::languages, package::package, processes::processes,
    request::request, submission::submission, worker_frames::worker_frames,
};

/// A target: its name, which is also that of its seeds' folder, and what it does.
pub type Target = (&'static str, fn(&[u8]));

pub const TARGETS: [Target; 8] = [
    ("box_frames", box_frames),
    ("checkers", checkers),
    ("languages", languages),
    ("package", package),
    ("processes", processes),
    ("request", request),
    ("submission", submission),
    ("worker_frames", worker_frames),
];
