//! The SQLite store against real files.

#![expect(clippy::unwrap_used, reason = "a panic is how a test says what is wrong")]

mod folder;
mod opening;

mod conformance {
    optimus_queue::conformance_tests!(crate::folder::Folder::new());
}
