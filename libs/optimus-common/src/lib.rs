//! The domain of Optimus: what every other crate talks about.
//!
//! Nothing here does I/O, save [`settings`] and [`language`], which read configuration files.
//!
//! - [`submission`]: what a client sends, and its validation
//! - [`content`]: inputs and sources that are named by their digest
//! - [`trace`]: the client's place in a distributed trace
//! - [`job`]: the life of a submission in the system, with every allowed transition
//! - [`result`]: what a client reads back
//! - [`limits`], [`facts`]: what a run may use, and what it did use
//! - [`box_layout`]: what a box looks like from inside
//! - [`language`]: `languages.json`, the recipes by which programs are compiled and run
//! - [`language_assets`]: what some languages bring along for their boxes
//! - [`settings`]: `optimus.toml`, the environment, the flags
//! - [`shape`], [`no_duplicate_keys`]: JSON that says what it says by its names, each of which stands once
//! - [`weaken`]: layers of defence taken away, in builds for tests alone
#![forbid(unsafe_code)]

pub mod box_layout;
mod causes;
pub mod checker;
pub mod content;
mod counted;
pub mod facts;
pub mod ids;
pub mod job;
pub mod language;
pub mod language_assets;
pub mod limits;
pub mod no_duplicate_keys;
pub mod payload;
pub mod result;
#[cfg(feature = "settings")]
pub mod settings;
pub mod shape;
pub mod submission;
pub mod trace;
mod units;
pub mod weaken;

pub use causes::causes;
pub use counted::counted;
pub use ids::{FencingToken, GroupId, JobId, LanguageName, Owner, WorkerId};
