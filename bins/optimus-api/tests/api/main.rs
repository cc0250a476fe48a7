//! The API as a client sees it: a real server over a real Redis, with the test itself as the worker. What is no store's is
//! tested over one in memory.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod blobs;
mod bodies;
mod contract;
mod events;
mod fleet;
mod jobs;
mod load;
mod process;
mod refusals;
mod serving;
mod store_down;
mod support;
mod waiting;
