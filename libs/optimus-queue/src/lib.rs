//! Where jobs wait and live.
//!
//! [`JobStore`] is the promise: an accepted job is never lost and ends in exactly one terminal state. Every store
//! passes the same suite, `conformance` (behind the feature of that name). [`redis`] is the one for a fleet, [`sqlite`] the one
//! for a single machine.
#![forbid(unsafe_code)]

pub mod bench;
#[cfg(feature = "conformance")]
pub mod conformance;
mod encoding;
pub mod redis;
pub mod sqlite;
mod store;

pub use store::*;
