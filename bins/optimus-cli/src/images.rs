//! The languages' images.
//!
//! - [`base`]: which image one is built on
//! - [`build`]: the build itself, with its progress

pub(crate) mod base;
pub(crate) mod build;
