//! Grading, as pure functions: no I/O, no clock, no threads.
//!
//! - [`plan`]: from a submission and its language to the runs of the job: commands, limits, memory
//! - [`capture`]: what of an output stream is kept for people to read
//! - [`compare`]: the checkers, comparing while the output arrives
//! - [`verdict`]: from facts and a check to a verdict
//! - [`grade`]: all of these put together for one job
//!
//! A worker needs [`plan::JobPlan`] and [`grade::Grading`] alone.

pub mod capture;
pub mod compare;
pub mod grade;
pub mod plan;
pub mod signals;
pub mod verdict;
