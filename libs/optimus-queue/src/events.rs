//! The event bus: what happens to jobs, as it happens.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use async_trait::async_trait;
use futures_util::{
    Stream, StreamExt,
    stream::{self, BoxStream},
};
use optimus_common::JobId;
use tokio::sync::broadcast::{Receiver, error::RecvError};

use crate::{JobUpdates, Lease, Progress, StoreError};

/// Two kinds of news. [`JobEvent`]s are of all jobs and mean that the store should be asked; the updates of one job tell
/// how far it is, and are kept for a while. Neither decides anything: a store that loses all of them loses no job.
#[async_trait]
pub trait EventBus: Send + Sync + 'static {
    /// Events from now on. Some may be lost, as [`JobEvent::Missed`] tells; [`JobQueue::get`](crate::JobQueue::get) and
    /// [`JobQueue::renew`](crate::JobQueue::renew) say what is true.
    fn subscribe(&self) -> JobEvents;

    /// Adds to the updates of a job, for who holds it. Returns at once, whatever the store does. What is told under a lease that
    /// is over is dropped; all else is heard before the end of the attempt, if that ends by
    /// [`JobQueue::finish`](crate::JobQueue::finish), [`release`](crate::JobQueue::release) or
    /// [`retry`](crate::JobQueue::retry) of the same store. What a process that dies had told may be lost.
    fn publish(&self, lease: &Lease, progress: Progress);

    /// The updates of a job after the one of this number, 0 for all, up to its end: those that are kept, then those that
    /// come. `None` where the job is unknown or expired.
    async fn follow(&self, job: JobId, after: u64) -> Result<Option<JobUpdates>, StoreError>;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobEvent {
    Finished(JobId),
    CancelRequested(JobId),
    /// Others were lost, because their reader was too slow or the connection to the store broke.
    Missed,
}

/// Events of all jobs, until the store is gone.
pub struct JobEvents(BoxStream<'static, JobEvent>);

impl JobEvents {
    /// The next one, or `None` where the store is gone. A wait that is given up loses none.
    pub async fn next(&mut self) -> Option<JobEvent> {
        self.0.next().await
    }
}

impl JobEvents {
    #[cfg(feature = "conformance")]
    pub(crate) fn new(events: impl Stream<Item = JobEvent> + Send + 'static) -> Self {
        Self(events.fuse().boxed())
    }
}

impl From<Receiver<JobEvent>> for JobEvents {
    fn from(receiver: Receiver<JobEvent>) -> Self {
        let next = async |mut receiver: Receiver<JobEvent>| {
            let event = match receiver.recv().await {
                Ok(event) => event,
                Err(RecvError::Lagged(_)) => JobEvent::Missed,
                Err(RecvError::Closed) => return None,
            };
            Some((event, receiver))
        };
        Self(stream::unfold(receiver, next).fuse().boxed())
    }
}

impl Stream for JobEvents {
    type Item = JobEvent;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<JobEvent>> {
        self.0.poll_next_unpin(context)
    }
}

impl std::fmt::Debug for JobEvents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JobEvents")
    }
}
