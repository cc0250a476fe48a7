//! The languages' images: what they are built on, the builds, and which of them an engine has.
//!
//! - `engine`: the container engine, as far as images go
//! - `base`: which image one is built on
//! - `dockerfile`: the one shape of all Dockerfiles
//! - `context`: what is sent to the engine for a build; `build`: the build itself, and whether one is needed
//! - `event`: what is told while it goes on; `error`: what may go wrong
#![forbid(unsafe_code)]

mod base;
mod build;
mod context;
mod dockerfile;
mod engine;
mod error;
mod event;

pub use self::{
    base::{Base, Bases},
    build::{Built, Cache, build, is_current},
    dockerfile::Dockerfile,
    engine::Engine,
    error::{Error, Result},
    event::{Event, Listener},
};
