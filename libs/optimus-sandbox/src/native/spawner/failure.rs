//! What the spawner could not do, as a text for the worker.

use std::{fmt, io};

/// Completes the sentence "cannot make a box: …".
#[derive(Debug)]
pub(in crate::native) struct Failure(String);

impl Failure {
    pub(super) fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }

    /// A system call that failed at this.
    pub(super) fn at<E: Into<io::Error>>(operation: impl fmt::Display) -> impl FnOnce(E) -> Self {
        move |error| Self(format!("cannot {operation}: {}", error.into()))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
