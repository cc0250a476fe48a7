//! The suite of the agent in a native box without a cgroup: guests are measured by their UIDs, and by what the kernel
//! tells of the dead.
#![cfg(target_os = "linux")]

#[path = "../agent/ownership.rs"]
mod ownership;
#[path = "../agent/suite.rs"]
mod suite;
#[path = "../cells/walls.rs"]
mod walls;

const WAY: suite::boxes::Way = suite::boxes::Way::CellsWithoutGroup;
