//! Sessions and pools over boxes that are byte pipes in memory, so that a box can say anything.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod connection;
mod hostile;
mod one_by_one;
mod peer;
mod pool;
mod provider;
mod session;
