//! S3, and what speaks like it.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use http_body_util::BodyExt;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector as Tcp},
    rt::TokioExecutor,
};
use object_store::{
    ClientOptions, Error, ObjectStore,
    aws::AmazonS3Builder,
    client::{
        HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse,
        HttpResponseBody, HttpService,
    },
};
use tokio::time::timeout;

use crate::ContentError;

/// How long an answer may take to begin. A part of an upload has come by then.
const PATIENCE: Duration = Duration::from_mins(1);

/// How long a connection may take to come about.
const CONNECTING: Duration = Duration::from_secs(10);

/// The bucket that `url` names.
pub(super) fn bucket(url: &str, options: &[(&str, &str)]) -> Result<Arc<dyn ObjectStore>, ContentError> {
    let misconfigured = |error: Error| ContentError::Misconfigured(format!("content.store: {error}"));
    let mut bucket = AmazonS3Builder::from_env()
        .with_url(url)
        .with_http_connector(Connector);
    for (name, value) in options {
        let key = name.to_ascii_lowercase().parse().map_err(misconfigured)?;
        bucket = bucket.with_config(key, *value);
    }
    Ok(Arc::new(bucket.build().map_err(misconfigured)?))
}

/// The one that the crate brings along takes another implementation of TLS, and a C compiler for it.
#[derive(Debug)]
struct Connector;

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        let mut tcp = Tcp::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECTING));
        let https = HttpsConnectorBuilder::new()
            .with_native_roots()
            .map_err(|error| Error::Generic {
                store: "S3",
                source: error.into(),
            })?
            // The builder of the store refuses an endpoint without TLS where it is not allowed.
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new()).build(https);
        Ok(HttpClient::new(Service(client)))
    }
}

#[derive(Debug)]
struct Service(Client<HttpsConnector<Tcp>, HttpRequestBody>);

fn failed(kind: HttpErrorKind, error: impl std::error::Error + Send + Sync + 'static) -> HttpError {
    HttpError::new(kind, error)
}

#[async_trait]
impl HttpService for Service {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let answer = timeout(PATIENCE, self.0.request(request)).await;
        let answer = answer.map_err(|late| failed(HttpErrorKind::Timeout, late))?;
        let answer = answer.map_err(|error| {
            let kind = if error.is_connect() {
                HttpErrorKind::Connect
            } else {
                HttpErrorKind::Request
            };
            failed(kind, error)
        })?;
        Ok(answer.map(|body| {
            HttpResponseBody::new(body.map_err(|error| failed(HttpErrorKind::Interrupted, error)))
        }))
    }
}
