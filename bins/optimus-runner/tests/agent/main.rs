//! The agent in a real box, spoken to as a worker does.
//!
//! Each test makes a box of its own from namespaces and a cgroup, with exactly the rights and mounts a container
//! gives the agent. It takes root, and the C compiler that Rust itself needs: the hostile programs are in C and shell.
#![cfg(target_os = "linux")]

mod again;
mod counted;
mod neighbours;
mod ownership;
#[path = "suite.rs"]
mod suite;

/// Runs are kept apart by their guests' UIDs, as in a container.
const WAY: suite::boxes::Way = suite::boxes::Way::ByUid;
