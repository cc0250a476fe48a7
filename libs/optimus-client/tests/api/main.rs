//! The client against the API itself, over a store of this process.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, and says what it does"
)]

mod content;
mod installation;
mod jobs;
mod support;
