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

/// What a worker tells of a job: nothing that the job's result would not tell as well, and nothing that a program wrote.
///
/// Everything names its attempt. A worker that does not know yet that it has lost a job may tell of its attempt after the next
/// one has begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "progress", rename_all = "snake_case")]
pub enum Progress {
    /// A worker has begun; more than once where an attempt failed.
    Started { attempt: u32 },
    /// The compile step is over; all is zero for a language without one.
    Compiled {
        attempt: u32,
        verdict: CompileVerdict,
        execution_time_ms: u64,
        cpu_time_ms: u64,
        peak_memory_bytes: u64,
    },
    /// A test has its verdict.
    RunDone {
        attempt: u32,
        test_id: u64,
        verdict: Verdict,
        execution_time_ms: u64,
        cpu_time_ms: u64,
        peak_memory_bytes: u64,
        exit_code: Option<i32>,
        signal: Option<String>,
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
pub struct JobUpdates {
    updates: BoxStream<'static, Result<Followed, StoreError>>,
    has_heard_all: bool,
}

impl JobUpdates {
    pub(crate) fn new(
        updates: impl Stream<Item = Result<Followed, StoreError>> + Send + 'static,
        has_heard_all: bool,
    ) -> Self {
        Self {
            updates: updates.fuse().boxed(),
            has_heard_all,
        }
    }

    /// Whether the job is over, and whoever follows it after this number has been told all there was.
    pub fn has_heard_all(&self) -> bool {
        self.has_heard_all
    }

    /// The next one, or `None` after the last. A wait that is given up loses none.
    pub async fn next(&mut self) -> Option<Result<Followed, StoreError>> {
        self.updates.next().await
    }
}

impl Stream for JobUpdates {
    type Item = Result<Followed, StoreError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.updates.poll_next_unpin(context)
    }
}

impl fmt::Debug for JobUpdates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JobUpdates")
    }
}
