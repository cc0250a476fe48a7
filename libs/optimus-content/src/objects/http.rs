//! How an object store is asked over the network.

use std::{io, time::Duration};

use async_trait::async_trait;
use http_body_util::BodyExt;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::{
    client::legacy::{
        Client,
        connect::{Connect, HttpConnector as Tcp},
    },
    rt::TokioExecutor,
};
use object_store::{
    ClientOptions,
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

/// The connector that the crate brings along takes another implementation of TLS, and a C compiler for it.
#[derive(Debug)]
pub(super) struct Connector(HttpClient);

impl Connector {
    /// Who certifies servers is what this machine says. Where it says nothing, only what needs no certificate can be reached.
    pub(super) fn new(is_plain: bool) -> Result<Self, ContentError> {
        let mut tcp = Tcp::new();
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECTING));
        let client = match HttpsConnectorBuilder::new().with_native_roots() {
            Ok(with_roots) => {
                tcp.enforce_http(false);
                // The builder of the store refuses an endpoint without TLS where it is not allowed.
                let https = with_roots.https_or_http().enable_http1();
                HttpClient::new(Service(client(https.wrap_connector(tcp))))
            }
            Err(_) if is_plain => HttpClient::new(Service(client(tcp))),
            Err(error) => return Err(without_roots(&error)),
        };
        Ok(Self(client))
    }
}

fn without_roots(error: &io::Error) -> ContentError {
    ContentError::Misconfigured(format!(
        "content.store is asked by HTTPS, and this machine trusts no certificate authority: {error}. The package \
         ca-certificates, or a file that SSL_CERT_FILE names, says which to trust"
    ))
}

fn client<C: Connect + Clone>(connector: C) -> Client<C, HttpRequestBody> {
    Client::builder(TokioExecutor::new()).build(connector)
}

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(self.0.clone())
    }
}

#[derive(Debug)]
struct Service<C>(Client<C, HttpRequestBody>);

fn failed(kind: HttpErrorKind, error: impl std::error::Error + Send + Sync + 'static) -> HttpError {
    HttpError::new(kind, error)
}

#[async_trait]
impl<C> HttpService for Service<C>
where
    C: Connect + Clone + std::fmt::Debug + Send + Sync + 'static,
{
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
