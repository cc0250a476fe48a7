//! Why a benchmark could not be run.

use std::{error::Error as StdError, fmt, io};

use optimus_sandbox::{BackendError, docker::ConnectError, session::SessionError};

pub type Result<T> = std::result::Result<T, Error>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Api(#[from] optimus_client::Error),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Backend(#[from] BackendError),
    #[error(transparent)]
    Session(#[from] SessionError),
    #[error("cannot {operation}")]
    Engine {
        operation: &'static str,
        #[source]
        cause: Box<dyn StdError + Send + Sync>,
    },
    /// A file or a program beside Optimus.
    #[error("cannot {operation}")]
    Host { operation: String, source: io::Error },
    /// What was to be measured is not there, or has not done what it does.
    #[error("{0}")]
    NotMeasured(String),
}

impl Error {
    pub(crate) fn engine(operation: &'static str) -> impl FnOnce(bollard::errors::Error) -> Self {
        move |error| Self::Engine {
            operation,
            cause: error.into(),
        }
    }

    pub(crate) fn host(operation: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let operation = operation.into();
        move |source| Self::Host { operation, source }
    }

    pub(crate) fn not_measured(why: impl fmt::Display) -> Self {
        Self::NotMeasured(why.to_string())
    }
}
