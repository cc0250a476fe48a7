//! One installation's API.

use std::time::Duration;

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Response,
    header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER},
};
use optimus_common::{JobId, job::JobRecord, submission::Submission};
use reqwest::Url;
use serde::{Deserialize, de::DeserializeOwned};
use tokio::time::{Instant, sleep};

use crate::{
    Error, JobState, LanguageEntry, QueueEntry, Refusal, Result,
    error::Cause,
    request::{ANSWER_TIMEOUT, PAUSE, request},
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Seconds one request waits for a job's end. Servers allow more; proxies between may not.
const WAIT_SECONDS: u64 = 20;
/// One installation's API. Clones share their connections.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    url: Url,
    authorization: Option<HeaderValue>,
}

impl Client {
    /// `address` is an `http://` one, with the path under which the API is where there is one.
    pub fn new(address: &str) -> Result<Self> {
        let no_address = |cause: Cause| Error::NoAddress {
            address: address.to_owned(),
            cause,
        };
        let url = Url::parse(address).map_err(|error| no_address(error.into()))?;
        if url.scheme() != "http" || url.cannot_be_a_base() {
            return Err(Error::NotHttp {
                address: address.to_owned(),
            });
        }
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .build()
            .map_err(|error| Error::NoHttpClient { cause: error.into() })?;
        Ok(Self {
            http,
            url,
            authorization: None,
        })
    }

    /// For an installation that asks for one (`api.tokens`).
    pub fn with_token(mut self, token: &str) -> Result<Self> {
        let value = HeaderValue::try_from(format!("Bearer {token}"));
        let mut value = value.map_err(|_| Error::NoHeaderValue { what: "token" })?;
        value.set_sensitive(true);
        self.authorization = Some(value);
        Ok(self)
    }

    /// Submits; the same key with the same submission makes one job, however often it is sent.
    pub async fn submit(&self, submission: &Submission, idempotency_key: Option<&str>) -> Result<JobState> {
        let mut request = submitting(submission, "/jobs");
        if let Some(key) = idempotency_key {
            let key = HeaderValue::try_from(key).map_err(|_| Error::NoHeaderValue {
                what: "idempotency key",
            })?;
            request.headers_mut().insert("idempotency-key", key);
        }
        self.answer(request, ANSWER_TIMEOUT).await
    }

    /// Submits, and returns when the job has ended.
    pub async fn submit_and_wait(&self, submission: &Submission) -> Result<JobRecord> {
        /// The whole record where the job ended in time, else only where it stands.
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Answer {
            Ended(Box<JobRecord>),
            Pending(JobState),
        }
        let request = submitting(submission, &format!("/jobs?wait={WAIT_SECONDS}"));
        let timeout = ANSWER_TIMEOUT + Duration::from_secs(WAIT_SECONDS);
        let asked = Instant::now();
        let id = match self.answer(request, timeout).await? {
            Answer::Ended(record) if record.status.is_terminal() => return Ok(*record),
            Answer::Ended(record) => record.job_id,
            Answer::Pending(state) => state.job_id,
        };
        sleep(PAUSE.saturating_sub(asked.elapsed())).await;
        self.job_ended(id, |_| {}).await
    }

    pub async fn job(&self, id: JobId) -> Result<JobRecord> {
        self.get(&format!("/jobs/{id}")).await
    }

    /// Returns when the job has ended; `seen` is told of each answer before.
    pub async fn job_ended(&self, id: JobId, seen: impl Fn(&JobRecord)) -> Result<JobRecord> {
        let timeout = ANSWER_TIMEOUT + Duration::from_secs(WAIT_SECONDS);
        loop {
            let request = request(Method::GET, &format!("/jobs/{id}?wait={WAIT_SECONDS}"));
            let asked = Instant::now();
            let record: JobRecord = self.answer(request, timeout).await?;
            if record.status.is_terminal() {
                return Ok(record);
            }
            seen(&record);
            sleep(PAUSE.saturating_sub(asked.elapsed())).await;
        }
    }

    /// Cancels a job: one that waits is cancelled at once, one that runs is asked to stop.
    pub async fn cancel(&self, id: JobId) -> Result<JobState> {
        self.answer(request(Method::DELETE, &format!("/jobs/{id}")), ANSWER_TIMEOUT)
            .await
    }

    /// In the order of `languages.json`.
    pub async fn languages(&self) -> Result<Vec<LanguageEntry>> {
        #[derive(Deserialize)]
        struct List {
            languages: Vec<LanguageEntry>,
        }
        Ok(self.get::<List>("/languages").await?.languages)
    }

    pub async fn queues(&self) -> Result<Vec<QueueEntry>> {
        #[derive(Deserialize)]
        struct List {
            queues: Vec<QueueEntry>,
        }
        Ok(self.get::<List>("/queues").await?.queues)
    }

    /// Whether the process of the API is alive.
    pub async fn health(&self) -> Result<()> {
        self.text("/health").await.map(drop)
    }

    /// Whether a job submitted now would be graded. The refusal says why it would not.
    pub async fn ready(&self) -> Result<()> {
        self.text("/ready").await.map(drop)
    }

    /// Metrics in the `OpenMetrics` text format.
    pub async fn metrics(&self) -> Result<String> {
        self.text("/metrics").await
    }

    /// Sends a request as it is, and gives the answer as it is, errors of the API included: for routes that have no method
    /// here. Of its URI only path and query count.
    pub async fn request(&self, request: Request<Bytes>) -> Result<Response<Bytes>> {
        let answer = self.send(request, ANSWER_TIMEOUT).await?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let mut response = Response::new(self.body(answer).await?);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.answer(request(Method::GET, path), ANSWER_TIMEOUT).await
    }

    async fn text(&self, path: &str) -> Result<String> {
        let body = self.succeeded(request(Method::GET, path), ANSWER_TIMEOUT).await?;
        String::from_utf8(body.into()).map_err(|error| self.not_optimus(error))
    }

    async fn answer<T: DeserializeOwned>(&self, request: Request<Bytes>, timeout: Duration) -> Result<T> {
        let body = self.succeeded(request, timeout).await?;
        serde_json::from_slice(&body).map_err(|error| self.not_optimus(error))
    }

    /// The body of an answer that is no error.
    async fn succeeded(&self, request: Request<Bytes>, timeout: Duration) -> Result<Bytes> {
        let response = self.send(request, timeout).await?;
        if response.status().is_success() {
            self.body(response).await
        } else {
            Err(self.refusal(response).await)
        }
    }

    pub(crate) async fn send(&self, request: Request<Bytes>, timeout: Duration) -> Result<reqwest::Response> {
        let (parts, body) = request.into_parts();
        let mut url = self.url.clone();
        url.set_path(&format!(
            "{}{}",
            url.path().trim_end_matches('/'),
            parts.uri.path()
        ));
        url.set_query(parts.uri.query());
        let mut request = self
            .http
            .request(parts.method, url)
            .timeout(timeout)
            .headers(parts.headers);
        if !body.is_empty() {
            request = request.body(body);
        }
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        request.send().await.map_err(|error| self.unreachable(error))
    }

    async fn body(&self, response: reqwest::Response) -> Result<Bytes> {
        response.bytes().await.map_err(|error| self.unreachable(error))
    }

    /// Reads what an answer says that is an error.
    pub(crate) async fn refusal(&self, response: reqwest::Response) -> Error {
        let (status, headers) = (response.status(), response.headers().clone());
        let retry_after = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        match self.body(response).await {
            Ok(body) => Error::Refused(Box::new(Refusal::read(status, retry_after, &body))),
            Err(error) => error,
        }
    }

    fn unreachable(&self, error: reqwest::Error) -> Error {
        Error::Unreachable {
            address: self.url.to_string(),
            cause: error.into(),
        }
    }

    pub(crate) fn not_optimus(&self, cause: impl Into<Cause>) -> Error {
        Error::NotOptimus {
            address: self.url.to_string(),
            cause: cause.into(),
        }
    }
}

fn submitting(submission: &Submission, target: &str) -> Request<Bytes> {
    let mut request = request(Method::POST, target);
    let body = serde_json::to_vec(submission);
    *request.body_mut() = body
        .unwrap_or_else(|_| unreachable!("a submission is always JSON"))
        .into();
    let json = HeaderValue::from_static("application/json");
    request.headers_mut().insert(CONTENT_TYPE, json);
    request
}
