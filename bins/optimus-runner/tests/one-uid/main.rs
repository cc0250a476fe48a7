//! The suite of the agent in a native box of an ordinary user, who has one UID only: cells alone keep guest and agent
//! apart.
#![cfg(target_os = "linux")]

#[path = "../agent/counted.rs"]
mod counted;
mod covered;
#[path = "../agent/suite.rs"]
mod suite;
#[path = "../cells/walls.rs"]
mod walls;

const WAY: suite::boxes::Way = suite::boxes::Way::CellsOfOneUid;
