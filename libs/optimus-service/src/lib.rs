//! The shell of a process of Optimus, written once for the API, the worker and the command line.
//!
//! - [`process`]: what a program's `main` begins and ends with
//! - [`logging`]: where logs go
//! - [`signals`]: when a process leaves
//! - [`supervise`]: starts a task that panicked again
//! - [`backoff`], [`patience`]: waiting for a server that is not there
//! - [`open_files`]: how many a process may have open
//!
//! Nothing here knows what a job is.

pub mod backoff;
#[cfg(feature = "process")]
pub mod logging;
#[cfg(feature = "process")]
pub mod open_files;
pub mod patience;
#[cfg(feature = "process")]
pub mod process;
#[cfg(feature = "process")]
pub mod signals;
pub mod supervise;

pub use backoff::Backoff;
#[cfg(feature = "process")]
pub use process::{Process, ProcessError};
