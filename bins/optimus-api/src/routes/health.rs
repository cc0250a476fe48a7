//! How the process and the installation do, for machines that watch them.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use optimus_common::causes;
use optimus_service::metrics;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    App,
    fleet::{Fleet, with_timeout},
    problem::Problem,
};

/// That all is well.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Healthy {
    #[schema(example = "ok")]
    status: &'static str,
}

const OK: Json<Healthy> = Json(Healthy { status: "ok" });

/// Whether the process is alive. Asks nobody else.
#[utoipa::path(
    get,
    path = "/health",
    tag = "installation",
    responses((status = 200, description = "Alive", body = Healthy))
)]
pub(crate) async fn health() -> Json<Healthy> {
    OK
}

/// Whether a job submitted now would be graded: the store answers, and at least one worker takes jobs.
#[utoipa::path(
    get,
    path = "/ready",
    tag = "installation",
    responses(
        (status = 200, description = "Ready", body = Healthy),
        (status = 503, description = "Not ready; `errors` says why"),
    )
)]
pub(crate) async fn ready(State(app): State<Arc<App>>) -> Result<Json<Healthy>, Problem> {
    let workers = with_timeout(async {
        app.store.ping().await?;
        app.store.workers().await
    })
    .await
    .map_err(|error| {
        tracing::warn!(error = causes(&error), "not ready: the store does not answer");
        Problem::not_ready(vec![("store", "the job store does not answer".to_owned())])
    })?;

    let pools = || workers.iter().flat_map(|worker| &worker.pools);
    if pools().any(|pool| pool.unavailable.is_none()) {
        return Ok(OK);
    }
    let reasons: Vec<_> = pools()
        .filter_map(|pool| {
            Some((
                "workers",
                format!("{}: {}", pool.language, pool.unavailable.as_ref()?),
            ))
        })
        .collect();
    Err(Problem::not_ready(if reasons.is_empty() {
        vec![("workers", "no worker is running".to_owned())]
    } else {
        reasons
    }))
}

/// Metrics for Prometheus, in the `OpenMetrics` text format. Those of queues, workers and jobs are the store's, and so
/// the same from every process of the API.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "installation",
    security((), ("token" = [])),
    responses(
        (status = 200, description = "Metrics", body = String, content_type = "application/openmetrics-text"),
        (status = 401, description = "A token is needed"),
    )
)]
pub(crate) async fn metrics(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let fleet = Fleet::load(&*app.store, &app.catalog.current()).await;
    let fleet =
        fleet.inspect_err(|error| tracing::warn!(error = causes(error), "metrics without the store's"));
    let text = app
        .metrics
        .encode(app.waiting.count(), app.streams.count(), fleet.ok())
        .map_err(|_| Problem::internal())?;
    Ok(([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response())
}
