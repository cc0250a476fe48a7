//! The phases of a box, each a process of its own that `runner.sh` starts:
//!
//! - [`receive`]: tells that the box is ready, and takes in the job and its files
//! - [`compile`]: the compile step, once
//! - [`test`]: every test case, as PID 1
//!
//! They hand the job on in [`job_state`] and speak to the worker through [`channel`]. A phase reads not one byte more
//! than is its own: the next phase reads from the same descriptor.

mod channel;
mod compile;
mod inbox;
mod job_state;
mod phase;
mod receive;
mod test;

pub(crate) use phase::main;
