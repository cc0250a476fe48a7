//! Content by digest: inputs, expected outputs and sources that are stored once, under their SHA-256, and named by it.
//!
//! - [`ContentStore`]: what every store promises; `conformance` is the suite that holds them to it
//! - [`Incoming`]: content on its way into a store, compared with its digest while it comes
//! - [`Content`]: content on its way out, compared again
//! - [`Folder`]: the store of one machine
//! - [`ObjectContent`]: the store of a fleet for what is large, in S3
//! - in Redis, `optimus_queue::redis::RedisContent`: the store of a fleet for what is small
//! - [`Memory`]: for tests, and for what does not outlive its process
//! - [`submission`]: the content that a submission names, and holds
//! - [`Fetcher`]: gets what jobs name into memory, within a budget
//! - [`keep_up`]: removes what nobody uses, for as long as it runs
//!
//! Nothing here knows of jobs more than their ids. What holds content is a job; whether that is over, the caller says.
#![forbid(unsafe_code)]

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod content;
mod error;
#[cfg(any(test, feature = "conformance"))]
mod faulty;
mod fetcher;
mod folder;
mod held;
mod hold_note;
mod incoming;
mod memory;
mod objects;
mod removal;
mod room;
pub mod settings;
mod store;
pub mod submission;
mod upkeep;

#[cfg(any(test, feature = "conformance"))]
pub use faulty::FaultyContent;
pub use {
    content::{Content, Source},
    error::ContentError,
    fetcher::{FetchError, Fetched, Fetcher},
    folder::Folder,
    incoming::{Incoming, Put, Sink},
    memory::Memory,
    objects::ObjectContent,
    removal::Rules,
    store::{ContentStore, Holders, Upkept, release_over},
    upkeep::keep_up,
};
