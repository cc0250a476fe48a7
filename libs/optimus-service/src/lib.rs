//! The shell of a process of Optimus, written once for the API, the worker and the command line.
//!
//! - [`process`]: what a program's `main` begins and ends with
//! - `logging`, `telemetry`: where logs and spans go
//! - [`trace`]: spans that go beyond this process
//! - `signals`: when a process leaves
//! - [`metrics`]: figures for Prometheus; [`status`]: a server that shows them
//! - [`supervise`]: starts a task that panicked again
//! - [`backoff`], [`reachable`]: waiting for a server that is not there
//! - [`open_files`]: how many a process may have open
//!
//! Nothing here knows what a job is.
#![forbid(unsafe_code)]

#[cfg(feature = "process")]
mod accept;
pub mod backoff;
#[cfg(feature = "process")]
mod error;
#[cfg(feature = "process")]
mod logging;
#[cfg(feature = "process")]
pub mod metrics;
#[cfg(feature = "process")]
pub mod open_files;
#[cfg(feature = "process")]
pub mod process;
pub mod reachable;
mod repeated_error;
#[cfg(feature = "process")]
mod settings;
#[cfg(feature = "process")]
mod signals;
#[cfg(feature = "process")]
pub mod status;
pub mod supervise;
#[cfg(feature = "process")]
mod telemetry;
#[cfg(feature = "process")]
pub mod trace;

#[cfg(feature = "process")]
pub use accept::accept;
pub use backoff::Backoff;
#[cfg(feature = "process")]
pub use error::ProcessError;
#[cfg(feature = "process")]
pub use process::Process;
#[cfg(feature = "process")]
pub use settings::LogSettings;
