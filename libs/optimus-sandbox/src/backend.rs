//! What a backend promises.

use std::{fmt, pin::Pin, time::Duration};

use async_trait::async_trait;
use optimus_common::{LanguageName, WorkerId};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::{root_digest::RootDigest, spec::BoxSpec};

/// Makes boxes: isolated environments with the agent inside, each for one job.
///
/// `Err` always means a failure of ours, to be retried. Whatever a guest does is told by the agent as facts.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// Makes a box and starts its agent. Returns when its byte stream is open; the agent's `Ready` is read by
    /// [`crate::session`].
    async fn create(&self, spec: &BoxSpec) -> Result<LiveBox, BackendError>;

    /// Destroys every box left by workers other than those named, and returns how many there were.
    async fn remove_orphans(&self, alive: &[WorkerId]) -> Result<u64, BackendError>;

    /// Whether boxes of this specification can be made at all, such as whether the image is there, and the root that they would
    /// have now.
    async fn check(&self, spec: &BoxSpec) -> Result<RootDigest, BackendError>;

    /// How long the agent in a new box may take to be ready.
    fn ready_timeout(&self) -> Duration;
}

/// A running box.
///
/// Dropping it destroys it in the background, so that no path through a worker can leak one.
pub struct LiveBox {
    /// What the agent writes: frames and nothing else.
    pub reader: Pin<Box<dyn AsyncRead + Send>>,
    /// What the agent reads.
    pub writer: Pin<Box<dyn AsyncWrite + Send>>,
    pub handle: Box<dyn BoxHandle>,
    /// What it sees as its file system.
    pub root: RootDigest,
}

/// Control over a running box from outside. Dropping it destroys the box in the background.
#[async_trait]
pub trait BoxHandle: Send + Sync {
    /// The backend's own name of it, for logs.
    fn name(&self) -> &str;

    /// Raises the box's memory to at least this.
    async fn grow_memory(&self, bytes: u64) -> Result<(), BackendError>;

    /// Kills everything in it and removes every trace. Safe to call again.
    async fn destroy(&self) -> Result<(), BackendError>;
}

impl fmt::Debug for LiveBox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveBox")
            .field("name", &self.handle.name())
            .finish_non_exhaustive()
    }
}

/// A failure of ours, never the guest's.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    #[error("the image {image} is missing; build it with `optimus-cli build-image {language}`")]
    ImageMissing { image: String, language: LanguageName },
    /// Not a fault of the moment: somebody has to install or to change something.
    #[error("{language} is not available here: {reason}")]
    Unavailable { language: LanguageName, reason: String },
    #[error("cannot {operation}")]
    Engine {
        operation: &'static str,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("cannot {operation} within {seconds} s")]
    TimedOut { operation: &'static str, seconds: u64 },
}

impl BackendError {
    pub(crate) fn engine(
        operation: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Engine {
            operation,
            source: source.into(),
        }
    }

    pub(crate) fn timed_out(operation: &'static str, timeout: Duration) -> Self {
        Self::TimedOut {
            operation,
            seconds: timeout.as_secs(),
        }
    }
}
