//! The API as a client sees it: a real server over a real Redis, with the test itself as the worker.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod blobs;
mod bodies;
mod contract;
mod fleet;
mod jobs;
mod load;
mod process;
mod refusals;
mod serving;
mod store_down;
mod support;
mod waiting;
