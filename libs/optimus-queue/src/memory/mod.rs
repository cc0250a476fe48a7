//! The store that nothing survives: jobs in this process' memory, for tests and whatever needs a store and keeps nothing.
//!
//! It passes the same suites as the others. Time is Tokio's, so a test whose clock stands still decides when a lease ends.

mod bus;
mod change;
mod job;
mod places;
mod queue;
mod state;
mod store;
mod upkeep;

pub use store::MemoryStore;
