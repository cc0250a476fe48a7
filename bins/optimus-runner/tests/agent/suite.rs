//! What holds of the agent in a box of any kind. Each suite beside this one includes it once, with boxes of its own kind
//! (`WAY`, of the suite's root), since a kind is a premise of every single test and a program of its own can be run alone.

pub(crate) mod artefacts;
pub(crate) mod boxes;
pub(crate) mod channel;
pub(crate) mod cleanup;
pub(crate) mod compile;
pub(crate) mod facts;
pub(crate) mod isolation;
pub(crate) mod job;
pub(crate) mod joined;
pub(crate) mod kill;
pub(crate) mod limits;
pub(crate) mod live;
pub(crate) mod parallel;
pub(crate) mod refusals;
pub(crate) mod seal;
pub(crate) mod session;
pub(crate) mod waiting;
