//! The SQLite store against real files.

#![expect(clippy::unwrap_used, reason = "a panic is how a test says what is wrong")]

mod damage;
mod disk_full;
mod expiry;
mod folder;
mod limits;
mod opening;
mod progress;

mod conformance {
    optimus_queue::conformance_tests!(crate::folder::Folder::new());
}
