//! Where jobs wait and live.
//!
//! [`JobStore`] is the promise: an accepted job is never lost and ends in exactly one terminal state. It has parts, each a trait
//! of one subject: [`JobQueue`], [`WorkerRegistry`], [`EventBus`], [`Upkeep`]. Every store passes the suite of each part,
//! `conformance` (behind the feature of that name). [`redis`] is the one for a fleet, [`sqlite`] the one
//! for a single machine; [`memory`] keeps nothing, as tests want it.
#![forbid(unsafe_code)]

#[cfg(feature = "bench")]
pub mod bench;
#[cfg(feature = "conformance")]
pub mod conformance;
mod content;
mod encoding;
mod error;
mod events;
#[cfg(feature = "conformance")]
pub mod faulty;
mod follow;
mod local_progress;
mod local_workers;
pub mod memory;
mod notifier;
mod progress;
mod queue;
pub mod redis;
mod registry;
pub mod settings;
pub mod sqlite;
mod store;
mod stores;
mod taken_back;
mod upkeep;
mod watchers;

pub use content::{ContentPlace, open_content_here};
pub use error::*;
pub use events::*;
pub use progress::*;
pub use queue::*;
pub use registry::*;
pub use store::*;
pub use stores::{Stores, StoresError};
pub use upkeep::*;
