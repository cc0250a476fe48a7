//! Grading, as pure functions: no I/O, no clock, no threads.
//!
//! - [`plan`]: from a submission and its language to the runs of the job: commands, limits, memory
//! - [`capture`]: what of an output stream is kept for people to read
//! - [`compare`]: the checkers, comparing while the output arrives
//! - [`verdict`]: from facts and a check to a verdict
//! - [`settings`]: `[limits]` and `[results]` of the settings
//! - [`engine`]: all of these put together for one job: what to do next, what it means, and the result
//!
//! A worker needs [`plan::JobPlan`] and [`engine::Engine`] alone, or [`engine::PairEngine`] for two programs that talk to each other.
#![forbid(unsafe_code)]

pub mod capture;
pub mod compare;
pub mod engine;
pub mod plan;
pub mod settings;
pub mod signals;
pub mod verdict;
