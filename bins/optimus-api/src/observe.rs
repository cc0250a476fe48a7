//! What happens to every request: its id, its span in the log, its metrics, the last touch on its answer.

use std::{panic::AssertUnwindSafe, sync::Arc};

use axum::{
    body::Body,
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use optimus_service::trace;
use tokio::time::Instant;
use tracing::{Instrument, field::Empty, info_span};
use uuid::Uuid;

use crate::{App, metrics::known, problem::Problem, trace::trace_context};

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest request id taken from a client.
const LONGEST_ID: usize = 128;

/// The outermost layer.
pub(crate) async fn observe(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let request_id = request_id(request.headers());
    let method = known(request.method());
    let path = request.uri().path().to_owned();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("unmatched", MatchedPath::as_str);
    // Probes and scrapes come all the time and tell nothing.
    let is_watcher = matches!(route, "/health" | "/ready" | "/metrics");
    let span = if is_watcher {
        info_span!(target: "log_alone", "request", request_id = %request_id, method, route)
    } else {
        info_span!(
            "request",
            request_id = %request_id,
            method,
            route,
            job_id = Empty,
            language = Empty
        )
    };
    if let Some(client) = trace_context(request.headers()) {
        trace::continue_from(&span, &client);
    }

    let answered = AssertUnwindSafe(next.run(request))
        .catch_unwind()
        .instrument(span.clone())
        .await;
    let _entered = span.enter();
    let mut response = answered.unwrap_or_else(|_| {
        tracing::error!("a request's handler panicked");
        Problem::internal().into_response()
    });

    finish(&mut response, &path, &request_id);
    let (status, took) = (response.status(), started.elapsed());
    app.metrics.observe(method, route, status, took);
    let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    trace::name(&span, || format!("{method} {route}"));
    trace::attribute(&span, "status", i64::from(status.as_u16()));
    if status.is_server_error() {
        trace::failed(&span, "answer");
    }
    if is_watcher {
        tracing::debug!(status = status.as_u16(), duration_ms, "answered");
    } else {
        tracing::info!(status = status.as_u16(), duration_ms, "answered");
    }
    response
}

/// The client's own id where it is sane, else a new one.
fn request_id(headers: &HeaderMap) -> String {
    let sane = |id: &&str| {
        (1..=LONGEST_ID).contains(&id.len())
            && id
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(&byte))
    };
    let given = headers
        .get(REQUEST_ID)
        .and_then(|value| value.to_str().ok())
        .filter(sane);
    given.map_or_else(|| Uuid::now_v7().to_string(), ToOwned::to_owned)
}

fn finish(response: &mut Response, path: &str, request_id: &str) {
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        *response.body_mut() = Body::from(problem.of_request(path, request_id).to_json());
    }
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(request_id) {
        headers.insert(REQUEST_ID, value);
    }
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Answers repeat what programs printed; a browser must never take them for a page.
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    );
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sane_request_ids_are_taken_over() {
        let of = |id: &[u8]| {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID, HeaderValue::from_bytes(id).unwrap());
            request_id(&headers)
        };
        assert_eq!(of(b"trace-1:a/b"), "trace-1:a/b");
        for bad in [&b""[..], b"a b", b"a\"b", b"\xff", &[b'a'; LONGEST_ID + 1]] {
            assert!(Uuid::parse_str(&of(bad)).is_ok());
        }
    }
}
