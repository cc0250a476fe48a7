//! The agent in a real box, spoken to as a worker does.
//!
//! Each test makes a box of its own from namespaces and a cgroup, with exactly the rights and mounts a container
//! gives the agent. It takes root, and the C compiler that Rust itself needs: the hostile programs are in C and shell.
#![cfg(target_os = "linux")]

mod again;
mod boxes;
mod channel;
mod cleanup;
mod compile;
mod counted;
mod facts;
mod isolation;
mod limits;
mod neighbours;
mod ownership;
mod parallel;
mod refusals;
mod session;

/// Runs are kept apart by their guests' UIDs, as in a container.
const WAY: boxes::Way = boxes::Way::ByUid;
