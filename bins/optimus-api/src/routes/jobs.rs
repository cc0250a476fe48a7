//! Jobs: submitting, reading, cancelling.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use optimus_common::{
    JobId, causes,
    job::{JobContext, JobRecord, JobStatus},
    submission::Submission,
};
use optimus_queue::{Cancel, NewJob, Submitted};
use optimus_service::trace::context_of;
use serde::Serialize;
use tokio::task;
use tracing::Span;
use utoipa::ToSchema;

use crate::{
    App,
    answer::show,
    body::{MemoryShare, Received, require_json},
    content,
    extract::{IdempotencyKey, JobPath, Wait},
    problem::Problem,
    submit::new_job,
    trace::trace_context,
    waiting::IdSource,
};

/// Bodies above this size are read outside of the threads that serve all requests.
const LARGE_BODY: usize = 64 << 10;

/// Marks the answer to a submission that was sent before with the same key.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// A job, and where it stands.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct JobState {
    #[schema(value_type = String, format = "uuid")]
    job_id: JobId,
    status: JobStatus,
    /// That no worker takes jobs of its language at the moment, and why: it waits until one does.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(
        required = false,
        example = "no worker takes jobs of go at the moment: no worker is running for it"
    )]
    warning: Option<String>,
}

/// Submits a program with its test cases.
///
/// With `wait` the answer is `200` and the whole record where the job ends in time.
#[utoipa::path(
    post,
    path = "/jobs",
    tag = "jobs",
    security((), ("token" = [])),
    params(Wait, IdempotencyKey),
    request_body = Submission,
    responses(
        (status = 200, description = "The job ended within `wait`", body = JobRecord,
            headers(("Location" = String, description = "The job's path"))),
        (status = 202, description = "Accepted; it will be graded", body = JobState,
            headers(
                ("Location" = String, description = "The job's path"),
                ("Idempotency-Replayed" = bool, description = "`true` where this key made the job before"),
            )),
        (status = 400, description = "Malformed JSON, or an invalid field, parameter or header, named in `field`"),
        (status = 401, description = "A token is needed"),
        (status = 408, description = "The body came too slowly"),
        (status = 413, description = "The body is too large"),
        (status = 415, description = "The body is not said to be JSON"),
        (status = 422, description = "The idempotency key came with another body before"),
        (status = 429, description = "The queue is full",
            headers(("Retry-After" = u64, description = "Seconds to wait"))),
        (status = 503, description = "The store is not available, or there are too many large bodies or connections at once, or \
            no worker has the content that it names",
            headers(("Retry-After" = u64, description = "Seconds to wait"))),
        (status = 507, description = "Jobs hold as much content as they may, or there is no room to note what it names",
            headers(("Retry-After" = u64, description = "Seconds to wait"))),
    )
)]
pub(crate) async fn submit(
    State(app): State<Arc<App>>,
    wait: Wait,
    IdempotencyKey { key }: IdempotencyKey,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    require_json(&headers)?;
    let received = app.body_receiver.receive(&headers, body, wait.receive()).await?;
    let context = JobContext {
        // Where this process exports no spans, what it is asked for is a part of the client's own.
        trace: context_of(&Span::current()).or_else(|| trace_context(&headers)),
        ..JobContext::default()
    };
    let (new, share) = read(&app, received, key, context).await?;

    let (id, language) = (new.id, new.submission.language.clone());
    Span::current().record("language", language.as_str());
    if app.settings.api.refuse_unserved
        && let Some(reason) = app.recent_workers.unserved(&*app.store, &language).await
    {
        return Err(Problem::unserved(&language, &reason));
    }
    // Before the job is in the store, so that no end of it is missed.
    let waiter = wait.wait.map(|_| app.waiting.register(id));
    let submitted = content::store(&app, new).await?;
    drop(share);
    let (id, waiter, replayed) = match submitted {
        Submitted::Created => (id, waiter, false),
        Submitted::Existing(id) => (id, wait.wait.map(|_| app.waiting.register(id)), true),
        Submitted::KeyReused => return Err(Problem::key_reused()),
        Submitted::Full => return Err(Problem::queue_full(&language)),
    };
    Span::current().record("job_id", tracing::field::display(id));

    let mut status = JobStatus::Queued;
    if replayed {
        status = app
            .store
            .lookup(id)
            .await?
            .ok_or_else(|| Problem::job_not_found(id))?
            .record
            .status;
    }
    if let (Some(waiter), Some(time)) = (waiter, wait.wait) {
        // The job is accepted: whatever goes wrong from here on must not make the answer an error.
        if let Ok(Some(job)) = waiter.wait(&*app.store, IdSource::Store, wait.begin(time)).await {
            status = job.record.status;
            if status.is_terminal()
                && let Ok(answer) = show(&app, job).await
            {
                return Ok(accepted(StatusCode::OK, id, replayed, answer));
            }
        }
    }
    let warning = match status {
        JobStatus::Queued => app.recent_workers.unserved(&*app.store, &language).await,
        _ => None,
    };
    let state = JobState {
        job_id: id,
        status,
        warning: warning.map(|why| format!("no worker takes jobs of {language} at the moment: {why}")),
    };
    Ok(accepted(StatusCode::ACCEPTED, id, replayed, Json(state)))
}

/// Reads a body, elsewhere where that takes long. Its share of the memory is held until the job is with the store.
async fn read(
    app: &Arc<App>,
    received: Received,
    key: Option<String>,
    context: JobContext,
) -> Result<(NewJob, MemoryShare), Problem> {
    let is_large = received.bytes.len() > LARGE_BODY;
    let shared = Arc::clone(app);
    let read = move || {
        let Received { bytes, share } = received;
        let new = new_job(
            &bytes,
            key,
            context,
            &shared.catalog.current(),
            &shared.settings.limits,
        )?;
        Ok((new, share))
    };
    if !is_large {
        return read();
    }
    let readers = Arc::clone(&app.readers);
    let turn = readers.acquire_owned().await.map_err(|_| Problem::internal())?;
    let reading = task::spawn_blocking(move || {
        // Goes on when the client is gone, and so must the turn.
        let _turn = turn;
        read()
    });
    reading.await.map_err(|error| {
        tracing::error!(error = causes(&error), "reading a body failed");
        Problem::internal()
    })?
}

fn accepted(status: StatusCode, id: JobId, replayed: bool, body: impl IntoResponse) -> Response {
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    if let Ok(location) = HeaderValue::try_from(format!("/jobs/{id}")) {
        headers.insert(header::LOCATION, location);
    }
    if replayed {
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
    }
    response
}

/// Reads a job, and its result once there is one.
#[utoipa::path(
    get,
    path = "/jobs/{id}",
    tag = "jobs",
    security((), ("token" = [])),
    params(JobPath, Wait),
    responses(
        (status = 200, description = "The job; with `wait`, as it is at its end or when the time is over, or earlier, where its \
            connection's place is needed",
            body = JobRecord),
        (status = 400, description = "The id or `wait` is malformed"),
        (status = 401, description = "A token is needed"),
        (status = 404, description = "No such job, or its result has expired"),
        (status = 503, description = "The store is not available, or there are too many large answers or connections at once",
            headers(("Retry-After" = u64, description = "Seconds to wait"))),
    )
)]
pub(crate) async fn read_job(
    State(app): State<Arc<App>>,
    JobPath { id }: JobPath,
    wait: Wait,
) -> Result<Response, Problem> {
    Span::current().record("job_id", tracing::field::display(id));
    let job = match wait.wait {
        None => app.store.lookup(id).await?,
        Some(time) => {
            app.waiting
                .register(id)
                .wait(&*app.store, IdSource::Client, wait.begin(time))
                .await?
        }
    };
    show(&app, job.ok_or_else(|| Problem::job_not_found(id))?).await
}

/// Cancels a job: a queued one at once, a running one within a second.
#[utoipa::path(
    delete,
    path = "/jobs/{id}",
    tag = "jobs",
    security((), ("token" = [])),
    params(JobPath),
    responses(
        (status = 200, description = "It was queued and is cancelled", body = JobState),
        (status = 202, description = "It is running; its worker has been asked", body = JobState),
        (status = 400, description = "The id is malformed"),
        (status = 401, description = "A token is needed"),
        (status = 404, description = "No such job, or its result has expired"),
        (status = 409, description = "It is finished"),
        (status = 503, description = "The store is not available"),
    )
)]
pub(crate) async fn cancel(
    State(app): State<Arc<App>>,
    JobPath { id }: JobPath,
) -> Result<(StatusCode, Json<JobState>), Problem> {
    Span::current().record("job_id", tracing::field::display(id));
    let (code, status) = match app.store.cancel(id).await? {
        Cancel::Cancelled => (StatusCode::OK, JobStatus::Cancelled),
        Cancel::Requested => (StatusCode::ACCEPTED, JobStatus::Running),
        Cancel::AlreadyFinished(status) => return Err(Problem::already_finished(id, status)),
        Cancel::NotFound => return Err(Problem::job_not_found(id)),
    };
    let state = JobState {
        job_id: id,
        status,
        warning: None,
    };
    Ok((code, Json(state)))
}
