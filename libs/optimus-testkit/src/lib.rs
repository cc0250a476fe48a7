//! What the tests of several crates share. Only dev-dependencies may name it; `test.sh` looks that no program has it.
//!
//! - [`passed_over`]: what a machine cannot test, which is a failure where nothing may be passed over
//! - [`executable`]: files that are started by the test that writes them
//! - [`languages`]: languages that only tests have
//! - [`waiting`]: for a condition that comes about
//! - [`project`]: the folder of the checkout, the binaries of other packages
//! - [`process`], [`redis`], [`redis_socket`]: processes, and servers among them, that end with the test
//! - [`small_disk`]: a disk that is soon full
//! - `client`: the HTTP API as its clients use it
//! - `collector`: a collector of spans
//! - [`boxes`], [`leftovers`]: the boxes of one system seen from outside, and what must not be left of it
//! - [`cgroups`]: control groups as they are seen from outside
//! - `docker_image`: the image of tests that make containers
//! - [`checkers`]: what each checker promises, in the shortest words
//! - [`bare_start`]: what the start of a program costs without any box

#![allow(
    clippy::missing_panics_doc,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and says what it does"
)]

pub mod passed_over;

#[cfg(target_os = "linux")]
pub mod bare_start;
#[cfg(target_os = "linux")]
pub mod boxes;
#[cfg(target_os = "linux")]
pub mod cgroups;
#[cfg(feature = "checkers")]
pub mod checkers;
#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "collector")]
pub mod collector;
#[cfg(feature = "docker")]
pub mod docker_image;
#[cfg(target_os = "linux")]
pub mod executable;
pub mod languages;
#[cfg(target_os = "linux")]
pub mod leftovers;
#[cfg(target_os = "linux")]
pub mod process;
pub mod project;
#[cfg(target_os = "linux")]
pub mod redis;
#[cfg(target_os = "linux")]
pub mod redis_socket;
#[cfg(target_os = "linux")]
pub mod small_disk;
pub mod waiting;

pub use waiting::until;
