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
    JobId,
    job::{JobRecord, JobStatus},
    submission::Submission,
};
use optimus_queue::{Cancel, NewJob, Submitted};
use serde::Serialize;
use tokio::{task, time::Instant};
use tracing::Span;
use utoipa::ToSchema;

use crate::{
    App,
    body::{Received, require_json},
    extract::{IdempotencyKey, JobPath, Wait},
    problem::{Problem, ProblemDetails},
    submit::new_job,
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
                ("Idempotency-Replayed" = bool, description = "`true` where the same key and body made this job before"),
            )),
        (status = 400, description = "Malformed JSON, or an invalid field, parameter or header, named in `field`",
            body = ProblemDetails, content_type = "application/problem+json"),
        (status = 401, description = "A token is needed", body = ProblemDetails, content_type = "application/problem+json"),
        (
            status = 408,
            description = "The body came too slowly",
            body = ProblemDetails,
            content_type = "application/problem+json"
        ),
        (status = 413, description = "The body is too large", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 415, description = "The body is not said to be JSON", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 422, description = "The idempotency key came with another body before", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 429, description = "The queue is full", body = ProblemDetails, content_type = "application/problem+json",
            headers(("Retry-After" = u64, description = "Seconds to wait"))),
        (status = 503, description = "The store is not available", body = ProblemDetails, content_type = "application/problem+json",
            headers(("Retry-After" = u64, description = "Seconds to wait"))),
    )
)]
pub(crate) async fn submit(
    State(app): State<Arc<App>>,
    Wait { wait }: Wait,
    IdempotencyKey { key }: IdempotencyKey,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    require_json(&headers)?;
    let deadline = wait.map(|wait| Instant::now() + wait);
    let Received { bytes, share } = app.intake.receive(&headers, body).await?;
    let new = read(&app, bytes, key).await?;

    let (id, language) = (new.id, new.submission.language.clone());
    Span::current().record("language", language.as_str());
    // Before the job is in the store, so that no end of it is missed.
    let waiter = deadline.map(|_| app.waiting.register(id));
    let submitted = app.store.submit(new).await?;
    drop(share);
    let (id, waiter, replayed) = match submitted {
        Submitted::Created => (id, waiter, false),
        Submitted::Existing(id) => (id, deadline.map(|_| app.waiting.register(id)), true),
        Submitted::KeyReused => return Err(Problem::key_reused()),
        Submitted::Full => return Err(Problem::queue_full(&language)),
    };
    Span::current().record("job_id", tracing::field::display(id));

    let mut status = JobStatus::Queued;
    if replayed {
        status = app
            .store
            .get(id)
            .await?
            .ok_or_else(|| Problem::job_not_found(id))?
            .status;
    }
    if let (Some(waiter), Some(deadline)) = (waiter, deadline) {
        // The job is accepted: whatever goes wrong from here on must not make the answer an error.
        match waiter.wait(&*app.store, deadline).await {
            Ok(Some(record)) if record.status.is_terminal() => {
                return Ok(accepted(StatusCode::OK, id, replayed, Json(record)));
            }
            Ok(Some(record)) => status = record.status,
            Ok(None) | Err(_) => {}
        }
    }
    Ok(accepted(
        StatusCode::ACCEPTED,
        id,
        replayed,
        Json(JobState { job_id: id, status }),
    ))
}

/// Reads a body, elsewhere where that takes long. Its memory is free when this returns.
async fn read(app: &Arc<App>, body: Vec<u8>, key: Option<String>) -> Result<NewJob, Problem> {
    if body.len() <= LARGE_BODY {
        return new_job(&body, key, &app.catalog.current(), &app.settings.limits);
    }
    let _turn = app.readers.acquire().await.map_err(|_| Problem::internal())?;
    let shared = Arc::clone(app);
    let reading =
        task::spawn_blocking(move || new_job(&body, key, &shared.catalog.current(), &shared.settings.limits));
    reading.await.map_err(|error| {
        tracing::error!(%error, "reading a body failed");
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
        (status = 200, description = "The job as it is; with `wait`, as it is at its end or when the time is over", body = JobRecord),
        (status = 400, description = "The id or `wait` is malformed", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 401, description = "A token is needed", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 404, description = "No such job, or its result has expired", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 503, description = "The store is not available", body = ProblemDetails, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn read_job(
    State(app): State<Arc<App>>,
    JobPath { id }: JobPath,
    Wait { wait }: Wait,
) -> Result<Json<JobRecord>, Problem> {
    Span::current().record("job_id", tracing::field::display(id));
    let record = match wait {
        None => app.store.get(id).await?,
        Some(wait) => {
            app.waiting
                .register(id)
                .wait(&*app.store, Instant::now() + wait)
                .await?
        }
    };
    record.map(Json).ok_or_else(|| Problem::job_not_found(id))
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
        (status = 400, description = "The id is malformed", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 401, description = "A token is needed", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 404, description = "No such job, or its result has expired", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 409, description = "It is finished", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 503, description = "The store is not available", body = ProblemDetails, content_type = "application/problem+json"),
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
    Ok((code, Json(JobState { job_id: id, status })))
}
