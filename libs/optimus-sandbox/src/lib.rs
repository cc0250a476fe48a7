//! Where boxes come from, and how a worker talks to the agent in one.
//!
//! - [`BoxSpec`]: what a box must be; all that is said of it when one is asked for.
//! - [`RootProvider`]: what the root of such a box is here and now.
//! - [`Backend`]: makes boxes. [`docker`] makes them from containers, `native` of namespaces and cgroups.
//! - [`pool`]: boxes made ahead, so that a job never waits for one to start.
//! - [`provider`]: gives a job all the boxes it needs, or none.
//! - [`session`]: the host side of the runner protocol over a box's byte stream.

#[forbid(unsafe_code)]
mod backend;
#[forbid(unsafe_code)]
pub mod docker;
#[cfg(target_os = "linux")]
pub mod native;
#[forbid(unsafe_code)]
pub mod pool;
#[forbid(unsafe_code)]
pub mod provider;
#[forbid(unsafe_code)]
mod root_digest;
#[forbid(unsafe_code)]
mod roots;
#[forbid(unsafe_code)]
pub mod session;
#[forbid(unsafe_code)]
pub mod settings;
#[forbid(unsafe_code)]
mod spec;

pub use backend::*;
pub use root_digest::RootDigest;
pub use roots::*;
pub use spec::*;
