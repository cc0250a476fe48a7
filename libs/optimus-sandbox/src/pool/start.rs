//! From a specification to a box whose agent is ready.

use std::time::Duration;

use crate::{
    backend::{Backend, BackendError},
    session::{Session, SessionError},
    spec::BoxSpec,
};

/// Why there is no box. Always a failure of ours.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its text says what somebody has to do.
    #[error(transparent)]
    NotToBeHad(BackendError),
    #[error("cannot make a box")]
    Backend(#[source] BackendError),
    #[error("a new box is of no use")]
    Session(#[from] SessionError),
}

impl From<BackendError> for StartError {
    fn from(error: BackendError) -> Self {
        match error {
            BackendError::ImageMissing { .. } | BackendError::Unavailable { .. } => Self::NotToBeHad(error),
            error => Self::Backend(error),
        }
    }
}

/// Makes a box and waits for its agent.
pub(crate) async fn start_box(
    backend: &dyn Backend,
    spec: &BoxSpec,
    ready_timeout: Duration,
) -> Result<Session, StartError> {
    let live = backend.create(spec).await?;
    Ok(Session::open(live, ready_timeout).await?)
}
