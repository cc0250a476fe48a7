//! The domain of Optimus: what every other crate talks about.
//!
//! Nothing here does I/O, save [`language`], which reads the languages' file, and [`data_dir`] and [`weaken`], which read the
//! environment.
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
//! - [`data_dir`]: where a process keeps what must outlive it
//! - [`shape`], [`no_duplicate_keys`]: JSON that says what it says by its names, each of which stands once; [`units`]: times in it
//! - [`weaken`]: layers of defence taken away, in builds for tests alone
#![forbid(unsafe_code)]

pub mod box_layout;
mod causes;
pub mod checker;
pub mod content;
mod counted;
pub mod data_dir;
pub mod facts;
pub mod ids;
pub mod job;
pub mod language;
pub mod language_assets;
pub mod limits;
pub mod no_duplicate_keys;
pub mod payload;
pub mod result;
pub mod shape;
pub mod submission;
pub mod trace;
pub mod units;
pub mod weaken;

pub use causes::causes;
pub use counted::counted;
pub use ids::{FencingToken, GroupId, JobId, LanguageName, Owner, WorkerId};
