//! Boxes made ahead, so that a job never waits for one to start.
//!
//! One task keeps the pool. A box leaves it for one job and never comes back; another one is begun in its place at
//! once, so the pool is full again while the job runs. A box that ends while it waits is replaced.

mod start;
mod status;
mod task;

use std::{fmt, sync::Arc};

pub use start::StartError;
pub(crate) use start::start_box;
pub use status::{PoolOptions, PoolStatus};
use task::{PoolCommand, PoolTask};
use tokio::sync::{mpsc, oneshot, watch};

use crate::{backend::Backend, session::Session, spec::BoxSpec};

/// Requests on their way to the task that keeps the pool. A sender waits where there are more.
const COMMANDS: usize = 64;

/// Boxes of one specification, ready for a job. Clones are the same pool; the last one dropped destroys its boxes in
/// the background.
#[derive(Clone)]
pub struct WarmPool {
    commands: mpsc::Sender<PoolCommand>,
    status: watch::Receiver<PoolStatus>,
    size: Arc<watch::Sender<usize>>,
}

/// The pool is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the pool of boxes is closed")]
pub struct PoolClosed;

impl WarmPool {
    /// Starts to make boxes. Must be called in a Tokio runtime.
    pub fn start(backend: Arc<dyn Backend>, spec: BoxSpec, options: PoolOptions) -> Self {
        let (commands, requests) = mpsc::channel(COMMANDS);
        let (report, status) = watch::channel(PoolStatus::default());
        let (size, wanted) = watch::channel(options.size);
        tokio::spawn(PoolTask::new(backend, spec, wanted, requests, report).run());
        Self {
            commands,
            status,
            size: Arc::new(size),
        }
    }

    /// Keeps so many boxes from now on, at least 1. Those that are too many stay until they are taken.
    pub fn resize(&self, size: usize) {
        self.size.send_if_modified(|now| {
            let changes = *now != size;
            *now = size;
            changes
        });
    }

    /// Whether it gives no more boxes.
    pub fn is_closed(&self) -> bool {
        self.commands.is_closed()
    }

    /// A ready box: at once where one is warm, else the next one. Waits for as long as boxes cannot be made;
    /// [`WarmPool::status`] says why. Those who wait are served in order.
    pub async fn acquire(&self) -> Result<Session, PoolClosed> {
        let (to, session) = oneshot::channel();
        self.commands
            .send(PoolCommand::Acquire(to))
            .await
            .map_err(|_| PoolClosed)?;
        session.await.map_err(|_| PoolClosed)
    }

    /// Resolves when a box is warm, for a worker that claims no job it could not start.
    pub async fn ready(&self) -> Result<(), PoolClosed> {
        self.status
            .clone()
            .wait_for(|status| status.warm > 0)
            .await
            .map(drop)
            .map_err(|_| PoolClosed)
    }

    pub fn status(&self) -> PoolStatus {
        self.status.borrow().clone()
    }

    /// Changes of [`WarmPool::status`].
    pub fn watch(&self) -> watch::Receiver<PoolStatus> {
        self.status.clone()
    }

    /// What the toolchain in the boxes says of its version, once one was ready.
    pub fn toolchain(&self) -> Option<String> {
        self.status.borrow().toolchain.clone()
    }

    /// Destroys every box that was not handed out, and makes no more. Those who wait for one get [`PoolClosed`].
    pub async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.commands.send(PoolCommand::Close(done)).await.is_ok() {
            // An error means that somebody else has closed it meanwhile.
            closed.await.ok();
        }
    }
}

impl fmt::Debug for WarmPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WarmPool")
            .field("status", &*self.status.borrow())
            .finish_non_exhaustive()
    }
}
