//! The suite of the agent in a native box of an ordinary user, who has one UID only: cells alone keep guest and agent
//! apart.
#![cfg(target_os = "linux")]

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
mod covered;
#[path = "../agent/facts.rs"]
mod facts;
#[path = "../agent/isolation.rs"]
mod isolation;
#[path = "../agent/limits.rs"]
mod limits;
#[path = "../agent/parallel.rs"]
mod parallel;
#[path = "../agent/refusals.rs"]
mod refusals;
#[path = "../agent/session.rs"]
mod session;
#[path = "../cells/walls.rs"]
mod walls;

const WAY: boxes::Way = boxes::Way::CellsOfOneUid;
