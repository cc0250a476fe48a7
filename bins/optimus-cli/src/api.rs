//! The HTTP API as a client sees it.

use std::{error::Error, time::Duration};

use anyhow::Context;
use optimus_common::{
    JobId,
    content::Digest,
    job::{JobRecord, JobStatus},
    submission::Submission,
};
use reqwest::{Client, Method, RequestBuilder, StatusCode, Url, header::RETRY_AFTER};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::time::{Instant, sleep};

use crate::{
    args,
    events::{EventReader, JobEvent},
    exit::{Classify, Failure},
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest wait for an answer beyond the one asked for.
const ANSWER_TIMEOUT: Duration = Duration::from_mins(2);
/// Seconds one request waits for a verdict. Servers allow more; proxies between may not.
const WAIT_SECONDS: u64 = 20;
/// A stream of events is asked for anew after this.
const LONGEST_STREAM: Duration = Duration::from_hours(1);
/// From one question after a job to the next, at least. A server whose connections are all taken answers early, and would
/// be asked again at once.
const PAUSE: Duration = Duration::from_secs(1);

/// One installation's API.
#[derive(Debug, Clone)]
pub(crate) struct ApiClient {
    client: Client,
    url: Url,
    token: Option<String>,
}

/// Where a job stands, as a submission and a cancellation are answered.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct JobState {
    pub(crate) job_id: JobId,
    pub(crate) status: JobStatus,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct LanguageEntry {
    pub(crate) name: String,
    pub(crate) file_extension: String,
    #[serde(default)]
    pub(crate) other_extensions: Vec<String>,
    pub(crate) available: bool,
    pub(crate) reason: Option<String>,
}

impl LanguageEntry {
    /// All endings of its sources, the usual one first.
    pub(crate) fn extensions(&self) -> impl Iterator<Item = &str> {
        [&self.file_extension]
            .into_iter()
            .chain(&self.other_extensions)
            .map(String::as_str)
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct QueueEntry {
    pub(crate) language: String,
    pub(crate) waiting: u64,
    pub(crate) interactive: u64,
    pub(crate) normal: u64,
    pub(crate) batch: u64,
    pub(crate) delayed: u64,
    pub(crate) running: u64,
    pub(crate) dead: u64,
    pub(crate) workers: u64,
    pub(crate) slots: u64,
    pub(crate) busy: u64,
}

/// An error as the API tells it (RFC 9457).
#[derive(Debug, Deserialize)]
struct ProblemDetails {
    title: Option<String>,
    detail: Option<String>,
    field: Option<String>,
}

impl ApiClient {
    pub(crate) fn new(args: &args::ApiArgs) -> Result<Self, Failure> {
        let url = Url::parse(&args.api)
            .with_context(|| format!("{:?} is no address", args.api))
            .usage()?;
        if url.scheme() != "http" || url.cannot_be_a_base() {
            return Err(Failure::usage(format!(
                "{:?} is no http:// address; where the API is behind TLS, go through a tunnel or a local proxy",
                args.api
            )));
        }
        let client = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .build()
            .context("cannot make an HTTP client")
            .system()?;
        Ok(Self {
            client,
            url,
            token: args.token.clone(),
        })
    }

    pub(crate) async fn submit(
        &self,
        submission: &Submission,
        idempotency_key: Option<&str>,
    ) -> Result<JobState, Failure> {
        let mut request = self
            .request(Method::POST, &["jobs"], ANSWER_TIMEOUT)?
            .json(submission);
        if let Some(key) = idempotency_key {
            request = request.header("Idempotency-Key", key);
        }
        self.answer(request).await
    }

    /// Submits, and returns when the job has ended.
    pub(crate) async fn submit_and_wait(&self, submission: &Submission) -> Result<JobRecord, Failure> {
        /// The whole record where the job ended in time, else only where it stands.
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Answer {
            Ended(Box<JobRecord>),
            Pending(JobState),
        }
        let timeout = ANSWER_TIMEOUT + Duration::from_secs(WAIT_SECONDS);
        let request = self
            .request(Method::POST, &["jobs"], timeout)?
            .query(&[("wait", WAIT_SECONDS)]);
        let asked = Instant::now();
        let id = match self.answer(request.json(submission)).await? {
            Answer::Ended(record) if record.status.is_terminal() => return Ok(*record),
            Answer::Ended(record) => record.job_id,
            Answer::Pending(state) => state.job_id,
        };
        sleep(PAUSE.saturating_sub(asked.elapsed())).await;
        self.job_ended(id, |_| {}).await
    }

    /// Stores content under its digest, unless it is there. False where the installation does not take it: it knows no content,
    /// or takes none of this size, or has no room.
    pub(crate) async fn store(&self, digest: Digest, bytes: &[u8]) -> Result<bool, Failure> {
        let digest = digest.to_string();
        let path = ["blobs", digest.as_str()];
        let ask = self.request(Method::HEAD, &path, ANSWER_TIMEOUT)?;
        let there = ask.send().await.map_err(|error| self.unreachable(&error))?;
        if there.status().is_success() {
            return Ok(true);
        }
        let put = self
            .request(Method::PUT, &path, ANSWER_TIMEOUT)?
            .body(bytes.to_vec());
        let response = put.send().await.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        match status {
            StatusCode::NOT_FOUND
            | StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::PAYLOAD_TOO_LARGE
            | StatusCode::INSUFFICIENT_STORAGE => Ok(false),
            _ if status.is_success() => Ok(true),
            _ => {
                let body = response.bytes().await.map_err(|error| self.unreachable(&error))?;
                Err(refusal(status, None, &body))
            }
        }
    }

    pub(crate) async fn job(&self, id: JobId) -> Result<JobRecord, Failure> {
        self.answer(self.request(Method::GET, &["jobs", &id.to_string()], ANSWER_TIMEOUT)?)
            .await
    }

    /// Returns when the job has ended; `seen` is told of each answer before.
    pub(crate) async fn job_ended(&self, id: JobId, seen: impl Fn(&JobRecord)) -> Result<JobRecord, Failure> {
        loop {
            let timeout = ANSWER_TIMEOUT + Duration::from_secs(WAIT_SECONDS);
            let request = self.request(Method::GET, &["jobs", &id.to_string()], timeout)?;
            let asked = Instant::now();
            let record: JobRecord = self.answer(request.query(&[("wait", WAIT_SECONDS)])).await?;
            if record.status.is_terminal() {
                return Ok(record);
            }
            seen(&record);
            sleep(PAUSE.saturating_sub(asked.elapsed())).await;
        }
    }

    /// Tells `seen` what happens to a job, as it happens. Returns when the API has nothing more to tell, or tells nothing of
    /// jobs under way: nobody depends on it.
    pub(crate) async fn follow(&self, id: JobId, mut seen: impl FnMut(JobEvent)) {
        let mut reader = EventReader::default();
        loop {
            let asked = Instant::now();
            let path = ["jobs", &id.to_string(), "events"];
            let Ok(mut request) = self.request(Method::GET, &path, LONGEST_STREAM) else {
                return;
            };
            if let Some(last) = reader.last() {
                request = request.header("Last-Event-ID", last);
            }
            reader.begin();
            match request.send().await {
                Ok(mut response) if response.status() == StatusCode::OK => {
                    while let Ok(Some(bytes)) = response.chunk().await {
                        if reader.take(&bytes, &mut seen).is_err() {
                            return;
                        }
                    }
                }
                Ok(response) if response.status() != StatusCode::SERVICE_UNAVAILABLE => return,
                Ok(_) | Err(_) => {}
            }
            sleep(PAUSE.saturating_sub(asked.elapsed())).await;
        }
    }

    pub(crate) async fn cancel(&self, id: JobId) -> Result<JobState, Failure> {
        self.answer(self.request(Method::DELETE, &["jobs", &id.to_string()], ANSWER_TIMEOUT)?)
            .await
    }

    pub(crate) async fn languages(&self) -> Result<Vec<LanguageEntry>, Failure> {
        #[derive(Deserialize)]
        struct List {
            languages: Vec<LanguageEntry>,
        }
        let list: List = self
            .answer(self.request(Method::GET, &["languages"], ANSWER_TIMEOUT)?)
            .await?;
        Ok(list.languages)
    }

    pub(crate) async fn queues(&self) -> Result<Vec<QueueEntry>, Failure> {
        #[derive(Deserialize)]
        struct List {
            queues: Vec<QueueEntry>,
        }
        let list: List = self
            .answer(self.request(Method::GET, &["queues"], ANSWER_TIMEOUT)?)
            .await?;
        Ok(list.queues)
    }

    fn request(&self, method: Method, path: &[&str], timeout: Duration) -> Result<RequestBuilder, Failure> {
        let mut url = self.url.clone();
        url.path_segments_mut()
            .map_err(|()| Failure::usage(format!("{} cannot have a path", self.url)))?
            .pop_if_empty()
            .extend(path);
        let request = self.client.request(method, url).timeout(timeout);
        Ok(match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        })
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        Failure::system(format!(
            "cannot reach the API at {}; is it running? (--api or OPTIMUS_API names it): {}",
            self.url,
            root_cause(error)
        ))
    }

    async fn answer<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Failure> {
        let unreachable = |error: reqwest::Error| self.unreachable(&error);
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let retry_after = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok())
            .map(ToOwned::to_owned);
        let body = response.bytes().await.map_err(unreachable)?;
        if status.is_success() {
            return serde_json::from_slice(&body)
                .with_context(|| format!("{} does not answer as Optimus does", self.url))
                .system();
        }
        Err(refusal(status, retry_after.as_deref(), &body))
    }
}

/// What really happened. The libraries around it say which of them met it.
fn root_cause(error: &dyn Error) -> String {
    let mut last = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    last.to_string()
}

/// What the API said, in one line, and whose turn it is.
fn refusal(status: StatusCode, retry_after: Option<&str>, body: &[u8]) -> Failure {
    let problem: Option<ProblemDetails> = serde_json::from_slice(body).ok();
    let mut text = format!("the API answered {}", status.as_u16());
    if let Some(ProblemDetails { title, detail, field }) = problem {
        for part in [title, field, detail].into_iter().flatten() {
            text.push_str(": ");
            text.push_str(&part);
        }
    } else if let Some(reason) = status.canonical_reason() {
        text.push_str(": ");
        text.push_str(reason);
    }
    if let Some(seconds) = retry_after {
        text = format!("{text} (try again in {seconds} s)");
    }
    // A full queue empties by itself; every other 4xx is answered the same way again.
    if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS {
        Failure::usage(text)
    } else {
        Failure::system(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_are_told_with_their_field() {
        let body = br#"{"type":"t","title":"A field is invalid","status":400,"detail":"7 stands there twice","field":"test_cases[3].id"}"#;
        let failure = refusal(StatusCode::BAD_REQUEST, None, body);
        assert!(matches!(failure, Failure::Usage(_)));
        assert_eq!(
            failure.to_string(),
            "the API answered 400: A field is invalid: test_cases[3].id: 7 stands there twice"
        );
    }

    #[test]
    fn a_full_queue_is_a_fault_of_the_system_and_says_when_to_come_again() {
        let failure = refusal(StatusCode::TOO_MANY_REQUESTS, Some("5"), b"");
        assert!(matches!(failure, Failure::System(_)));
        assert_eq!(
            failure.to_string(),
            "the API answered 429: Too Many Requests (try again in 5 s)"
        );
    }
}
