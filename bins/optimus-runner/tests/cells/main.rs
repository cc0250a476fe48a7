//! The suite of the agent in a native box: every run has a cell of its own, made by an agent that is root of nothing
//! but its box's user namespace.
#![cfg(target_os = "linux")]

#[path = "../agent/again.rs"]
mod again;
#[path = "../agent/counted.rs"]
mod counted;
mod memory_left;
#[path = "../agent/ownership.rs"]
mod ownership;
mod stress;
#[path = "../agent/suite.rs"]
mod suite;
mod walls;

const WAY: suite::boxes::Way = suite::boxes::Way::Cells;
