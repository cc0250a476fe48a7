//! How spans get to the collector.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::TokioExecutor,
};
use opentelemetry_http::{HttpClient, HttpError};
use tokio::{runtime::Handle, time::timeout};
use tracing::{info, warn};

use crate::repeated_error::RepeatedError;

/// Largest answer of a collector that is read; it says which spans it did not take.
const MAX_ANSWER: usize = 64 << 10;

/// Sends requests in the process's runtime, whichever thread asks: the one that exports spans has none.
#[derive(Debug, Clone)]
pub(super) struct Client {
    http: legacy::Client<HttpConnector, Full<Bytes>>,
    runtime: Handle,
    timeout: Duration,
    /// For the log.
    address: String,
    failing: Arc<Mutex<Option<RepeatedError>>>,
}

impl Client {
    pub(super) fn new(runtime: Handle, timeout: Duration, address: String) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(timeout));
        Self {
            http: legacy::Client::builder(TokioExecutor::new()).build(connector),
            runtime,
            timeout,
            address,
            failing: Arc::default(),
        }
    }

    /// A collector that is away is told at once, and then ever more rarely.
    fn tell(&self, problem: Option<&str>) {
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        match problem {
            Some(error) => {
                if failing.get_or_insert_default().is_due(error) {
                    warn!(
                        address = self.address,
                        error, "spans cannot be exported; jobs go on without"
                    );
                }
            }
            None => {
                if failing.take().is_some() {
                    info!(address = self.address, "spans are exported again");
                }
            }
        }
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (http, longest) = (self.http.clone(), self.timeout);
        // A timer is made in the runtime, too.
        let sending = async move { timeout(longest, send(http, request)).await };
        let answer = match self.runtime.spawn(sending).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(late)) => Err(late.into()),
            Err(ended) => Err(ended.into()),
        };
        match &answer {
            Ok(answer) if answer.status().is_success() => self.tell(None),
            Ok(answer) => self.tell(Some(&format!("the collector answers {}", answer.status()))),
            Err(error) => self.tell(Some(&optimus_common::causes(&**error))),
        }
        answer
    }
}

async fn send(
    http: legacy::Client<HttpConnector, Full<Bytes>>,
    request: Request<Bytes>,
) -> Result<Response<Bytes>, HttpError> {
    let (parts, body) = http.request(request.map(Full::new)).await?.into_parts();
    let body = Limited::new(body, MAX_ANSWER).collect().await?.to_bytes();
    Ok(Response::from_parts(parts, body))
}
