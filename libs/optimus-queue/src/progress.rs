//! How far a job is, as its clients may follow it.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use futures_util::{Stream, StreamExt, stream::BoxStream};
use optimus_common::{
    job::JobStatus,
    result::{CompileVerdict, Verdict},
};
use serde::{Deserialize, Serialize};

use crate::StoreError;

/// Most updates that are kept of a job. Above, the oldest make room.
pub const KEPT_UPDATES: usize = 1024;

/// What a worker tells of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "progress", rename_all = "snake_case")]
pub enum Progress {
    /// A worker has begun; more than once where an attempt failed.
    Started {
        attempt: u32,
    },
    Compiled {
        verdict: CompileVerdict,
    },
    /// A test has its verdict.
    RunDone {
        test_id: u64,
        verdict: Verdict,
        execution_time_ms: u64,
        cpu_time_ms: u64,
    },
}

/// What a client hears of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobUpdate {
    /// The first of every job.
    Queued,
    Progress(Progress),
    /// The last: the job is in a terminal state, and its result can be read.
    Ended {
        status: JobStatus,
    },
}

/// One item of the updates of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Followed {
    /// Numbers grow by one from 1, but where some are missing.
    Update { number: u64, update: JobUpdate },
    /// Some updates between the last one and the next one are gone.
    Missed,
}

/// The updates of one job. They end after [`JobUpdate::Ended`], or with an error.
pub struct JobUpdates(BoxStream<'static, Result<Followed, StoreError>>);

impl JobUpdates {
    pub(crate) fn new(updates: impl Stream<Item = Result<Followed, StoreError>> + Send + 'static) -> Self {
        Self(updates.fuse().boxed())
    }

    /// The next one, or `None` after the last. A wait that is given up loses none.
    pub async fn next(&mut self) -> Option<Result<Followed, StoreError>> {
        self.0.next().await
    }
}

impl Stream for JobUpdates {
    type Item = Result<Followed, StoreError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(context)
    }
}

impl fmt::Debug for JobUpdates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JobUpdates")
    }
}
