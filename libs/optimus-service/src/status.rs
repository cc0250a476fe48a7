//! A small HTTP server beside a process that has none of its own: what it counts, whether it lives, whether it is ready.
//!
//! It has no tokens and tells nobody's programs. Whoever reaches it is answered in a moment, or not at all.

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use optimus_common::causes;
use tokio::{net::TcpListener, sync::Semaphore, time::timeout};
use tracing::{debug, warn};

use crate::{
    accept,
    metrics::{self, Metrics},
};

/// Connections at once; a scraper needs one.
const CONNECTIONS: usize = 32;

/// Longest life of a connection, so that nobody holds a place by doing nothing.
const LIFE: Duration = Duration::from_mins(1);

/// Longest wait for a request's head.
const HEAD: Duration = Duration::from_secs(10);

/// What a process says of itself.
pub trait Status: Metrics {
    /// Else why it would not do what it is there for at the moment.
    fn ready(&self) -> Result<(), String>;
}

/// Answers `GET /metrics`, `/health` and `/ready` until it is dropped.
pub async fn serve(listener: Arc<TcpListener>, status: Arc<dyn Status>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        let (stream, _) = accept(&listener).await;
        let status = Arc::clone(&status);
        tokio::spawn(async move {
            let _place = place;
            let answer = service_fn(move |request| {
                let answer = answer(&*status, &request);
                async move { Ok::<_, Infallible>(answer) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD)
                .serve_connection(TokioIo::new(stream), answer);
            if let Ok(Err(error)) = timeout(LIFE, connection).await {
                debug!(error = causes(&error), "a connection broke");
            }
        });
    }
}

fn answer(status: &dyn Status, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n".to_owned());
    }
    match request.uri().path() {
        "/metrics" => {
            let mut figures = String::new();
            match status
                .encode(&mut figures)
                .and_then(|()| metrics::end(&mut figures))
            {
                Ok(()) => {
                    let mut answer = text(StatusCode::OK, figures);
                    let kind = HeaderValue::from_static(metrics::CONTENT_TYPE);
                    answer.headers_mut().insert(header::CONTENT_TYPE, kind);
                    answer
                }
                Err(error) => {
                    warn!(error = causes(&error), "metrics cannot be written");
                    text(
                        StatusCode::INTERNAL_SERVER_ERROR,
                        "metrics cannot be written\n".to_owned(),
                    )
                }
            }
        }
        "/health" => text(StatusCode::OK, "alive\n".to_owned()),
        "/ready" => match status.ready() {
            Ok(()) => text(StatusCode::OK, "ready\n".to_owned()),
            Err(reason) => text(StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {reason}\n")),
        },
        _ => text(
            StatusCode::NOT_FOUND,
            "there are /metrics, /health and /ready\n".to_owned(),
        ),
    }
}

fn text(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}
