//! The suite of the agent in a native box: every run has a cell of its own, made by an agent that is root of nothing
//! but its box's user namespace.
#![cfg(target_os = "linux")]

#[path = "../agent/again.rs"]
mod again;
#[path = "../agent/boxes.rs"]
mod boxes;
#[path = "../agent/channel.rs"]
mod channel;
#[path = "../agent/cleanup.rs"]
mod cleanup;
#[path = "../agent/compile.rs"]
mod compile;
#[path = "../agent/counted.rs"]
mod counted;
#[path = "../agent/facts.rs"]
mod facts;
#[path = "../agent/isolation.rs"]
mod isolation;
#[path = "../agent/limits.rs"]
mod limits;
mod memory_left;
#[path = "../agent/ownership.rs"]
mod ownership;
#[path = "../agent/parallel.rs"]
mod parallel;
#[path = "../agent/refusals.rs"]
mod refusals;
#[path = "../agent/session.rs"]
mod session;
mod stress;
mod walls;

const WAY: boxes::Way = boxes::Way::Cells;
