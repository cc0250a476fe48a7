//! The suite of the agent in a native box without a cgroup: guests are measured by their UIDs, and by what the kernel
//! tells of the dead.
#![cfg(target_os = "linux")]

#[path = "../agent/boxes.rs"]
mod boxes;
#[path = "../agent/channel.rs"]
mod channel;
#[path = "../agent/cleanup.rs"]
mod cleanup;
#[path = "../agent/compile.rs"]
mod compile;
#[path = "../agent/facts.rs"]
mod facts;
#[path = "../agent/isolation.rs"]
mod isolation;
#[path = "../agent/limits.rs"]
mod limits;
#[path = "../agent/ownership.rs"]
mod ownership;
#[path = "../agent/parallel.rs"]
mod parallel;
#[path = "../agent/refusals.rs"]
mod refusals;
#[path = "../agent/session.rs"]
mod session;
#[path = "../cells/walls.rs"]
mod walls;

const WAY: boxes::Way = boxes::Way::CellsWithoutGroup;
