//! What happens to a job, as server-sent events (WHATWG HTML, *Server-sent events*).
//!
//! The store is asked for the next updates when the client has taken those before, so a client that reads slowly holds no more
//! memory than any other; one that is too slow is told that something is missing.

use std::{sync::Arc, time::Duration};

use axum::{Error, response::sse::Event};
use futures_util::{Stream, StreamExt, stream};
use optimus_common::{
    JobId, causes,
    job::JobStatus,
    result::{CompileVerdict, JobResult, Verdict},
};
use optimus_queue::{Followed, JobUpdate, JobUpdates, Progress};
use optimus_service::Backoff;
use serde::Serialize;
use tokio::time::{sleep, timeout};
use utoipa::ToSchema;

use crate::App;

/// After so long without an event a comment is sent: proxies cut connections on which nothing comes, many after a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The data of `queued`, the first event of every job.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct QueuedEvent {
    #[schema(value_type = String, format = "uuid")]
    job_id: JobId,
}

/// The data of `started`: a worker has begun. What was told of an attempt before this one is void.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StartedEvent {
    /// From 1.
    attempt: u32,
}

/// The data of `compile`: the compile step is over. For a language without one all is zero.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CompileEvent {
    attempt: u32,
    verdict: CompileVerdict,
    /// Wall time.
    execution_time_ms: u64,
    cpu_time_ms: u64,
    peak_memory_bytes: u64,
}

/// The data of `run`: a test has its verdict. The fields are those of a test in the job's result.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RunEvent {
    attempt: u32,
    test_id: u64,
    /// Whether `verdict` is `accepted`.
    passed: bool,
    verdict: Verdict,
    /// Wall time.
    execution_time_ms: u64,
    /// User and system time of all threads and descendants.
    cpu_time_ms: u64,
    /// Largest resident memory of the whole process tree.
    peak_memory_bytes: u64,
    /// `null` unless the program ended by itself with `exit`.
    exit_code: Option<i32>,
    /// The signal's name, such as `SIGSEGV`; `null` unless the program died by one that Optimus did not send.
    signal: Option<String>,
}

/// The data of `missed`, an event without an id: some events before the next one are lost.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MissedEvent {}

/// The data of `end`, the last event of every job. Its result can be read now.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EndEvent {
    #[schema(value_type = String, format = "uuid")]
    job_id: JobId,
    status: JobStatus,
    /// As in the job's result; this and what follows is `null` where it cannot be read at the moment.
    verdict: Option<Verdict>,
    /// `null` also where nothing was graded.
    score: Option<f64>,
    passed_tests: Option<u32>,
    total_tests: Option<u32>,
}

/// The events of a job, from these updates on, until its end or until `lost` is ready.
pub(crate) fn events(
    app: Arc<App>,
    job: JobId,
    after: u64,
    updates: JobUpdates,
    lost: impl Future<Output = ()> + Send + 'static,
) -> impl Stream<Item = Result<Event, Error>> + Send + 'static {
    let follower = Follower {
        app,
        job,
        after,
        updates: Some(updates),
        backoff: Backoff::new(Duration::from_millis(100), Duration::from_secs(2)),
    };
    let events = stream::unfold(follower, async |mut follower: Follower| {
        let event = follower.next().await?;
        Some((event, follower))
    });
    events.take_until(lost)
}

struct Follower {
    app: Arc<App>,
    job: JobId,
    /// The number of the last update that was told.
    after: u64,
    /// `None` where the store has failed.
    updates: Option<JobUpdates>,
    backoff: Backoff,
}

impl Follower {
    async fn next(&mut self) -> Option<Result<Event, Error>> {
        Some(match timeout(KEEP_ALIVE, self.followed()).await {
            Err(_) => Ok(Event::default().comment("nothing new")),
            Ok(None) => return None,
            Ok(Some(Followed::Missed)) => event("missed", MissedEvent {}),
            Ok(Some(Followed::Update { number, update })) => {
                self.after = number;
                let event = told(&self.app, self.job, update).await;
                event.map(|event| event.id(number.to_string()))
            }
        })
    }

    /// What the store tells next. A client is not told that the store fails: it would ask again as soon. A wait that is given
    /// up loses nothing.
    async fn followed(&mut self) -> Option<Followed> {
        loop {
            if let Some(updates) = &mut self.updates {
                match updates.next().await? {
                    Ok(followed) => {
                        self.backoff.reset();
                        return Some(followed);
                    }
                    Err(error) => {
                        tracing::debug!(job_id = %self.job, error = causes(&error), "a job cannot be followed");
                        self.updates = None;
                    }
                }
            }
            sleep(self.backoff.next_delay()).await;
            match self.app.store.follow(self.job, self.after).await {
                Ok(updates) => self.updates = Some(updates?),
                Err(error) => {
                    tracing::debug!(job_id = %self.job, error = causes(&error), "a job cannot be followed yet");
                }
            }
        }
    }
}

async fn told(app: &App, job: JobId, update: JobUpdate) -> Result<Event, Error> {
    match update {
        JobUpdate::Queued => event("queued", QueuedEvent { job_id: job }),
        JobUpdate::Progress(Progress::Started { attempt }) => event("started", StartedEvent { attempt }),
        JobUpdate::Progress(Progress::Compiled {
            attempt,
            verdict,
            execution_time_ms,
            cpu_time_ms,
            peak_memory_bytes,
        }) => event(
            "compile",
            CompileEvent {
                attempt,
                verdict,
                execution_time_ms,
                cpu_time_ms,
                peak_memory_bytes,
            },
        ),
        JobUpdate::Progress(Progress::RunDone {
            attempt,
            test_id,
            verdict,
            execution_time_ms,
            cpu_time_ms,
            peak_memory_bytes,
            exit_code,
            signal,
        }) => event(
            "run",
            RunEvent {
                attempt,
                test_id,
                passed: verdict == Verdict::Accepted,
                verdict,
                execution_time_ms,
                cpu_time_ms,
                peak_memory_bytes,
                exit_code,
                signal,
            },
        ),
        JobUpdate::Ended { status } => event("end", end(app, job, status).await),
    }
}

async fn end(app: &App, job: JobId, status: JobStatus) -> EndEvent {
    let result = gist(app, job).await;
    EndEvent {
        job_id: job,
        status,
        verdict: result.as_ref().map(|result| result.verdict),
        score: result.as_ref().and_then(|result| result.score),
        passed_tests: result.as_ref().map(|result| result.passed_tests),
        total_tests: result.as_ref().map(|result| result.total_tests),
    }
}

/// The job's result, as far as it can be read at once.
async fn gist(app: &App, job: JobId) -> Option<JobResult> {
    let found = app.store.lookup(job).await;
    let found = found.inspect_err(|error| {
        tracing::debug!(job_id = %job, error = causes(error), "an end is told without its verdict");
    });
    let found = found.ok().flatten()?;
    match found.result {
        Some(stored) => serde_json::from_slice(&stored.gist?).ok(),
        None => found.record.result,
    }
}

fn event(name: &str, data: impl Serialize) -> Result<Event, Error> {
    Event::default().event(name).json_data(data)
}
