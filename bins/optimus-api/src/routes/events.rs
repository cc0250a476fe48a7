//! What happens to a job, as it happens.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderName, HeaderValue, StatusCode},
    response::{IntoResponse, Response, Sse},
};
use tracing::Span;

use crate::{
    App,
    events::events,
    extract::{After, JobPath, Origin},
    problem::Problem,
};

/// What nginx and others take for: hand on what comes, as it comes.
const UNBUFFERED: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Follows a job: what happened to it, and what happens, up to its end.
///
/// Events are `queued`, `started`, `compile`, `run`, `missed` and `end`; the data of each is one JSON object, `QueuedEvent`,
/// `StartedEvent`, `CompileEvent`, `RunEvent`, `MissedEvent`, `EndEvent`. Events have numbers as their ids, save `missed`. A
/// stream that ends before `end` was broken off: go on after the last number. Comments keep the connection alive.
#[utoipa::path(
    get,
    path = "/jobs/{id}/events",
    tag = "jobs",
    security((), ("token" = [])),
    params(
        JobPath,
        After,
        ("Last-Event-ID" = Option<u64>, Header,
            description = "As `after`, and goes before it: a client that connects again sends it by itself"),
    ),
    responses(
        (status = 200, description = "Server-sent events", body = String, content_type = "text/event-stream",
            headers(("X-Accel-Buffering" = String, description = "`no`")),
            example = "id: 4\nevent: run\ndata: {\"attempt\":1,\"test_id\":1,\"passed\":true,\"verdict\":\"accepted\",\
                \"execution_time_ms\":14,\"cpu_time_ms\":11,\"peak_memory_bytes\":9437184,\"exit_code\":0,\"signal\":null}\n\n"),
        (status = 204, description = "The job is over, and all that happened to it was before `after`: do not come again"),
        (status = 400, description = "The id, `after` or `Last-Event-ID` is malformed"),
        (status = 401, description = "A token is needed"),
        (status = 404, description = "No such job, or its result has expired"),
        (status = 503, description = "The store is not available, or there are too many streams or connections at once",
            headers(("Retry-After" = u64, description = "Seconds to wait"))),
    )
)]
pub(crate) async fn follow(
    State(app): State<Arc<App>>,
    JobPath { id }: JobPath,
    origin: Origin,
    After { after }: After,
) -> Result<Response, Problem> {
    Span::current().record("job_id", tracing::field::display(id));
    let updates = app.store.follow(id, after).await?;
    let updates = updates.ok_or_else(|| Problem::job_not_found(id))?;
    if updates.has_heard_all() {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let stream = app.streams.enter(origin.client());
    let stream = stream.ok_or_else(Problem::too_many_streams)?;
    let standing = origin.follow();
    let lost = async move {
        // For as long as the stream is.
        let _standing = standing;
        stream.lost().await;
    };
    let mut response = Sse::new(events(Arc::clone(&app), id, after, updates, lost)).into_response();
    let unbuffered = HeaderValue::from_static("no");
    response.headers_mut().insert(UNBUFFERED, unbuffered);
    Ok(response)
}
