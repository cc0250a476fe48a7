//! Every error the API answers, as `application/problem+json` (RFC 9457).

use std::time::Duration;

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use optimus_common::{
    JobId, LanguageName, causes, content::Digest, counted, job::JobStatus, submission::InvalidSubmission,
};
use optimus_content::ContentError;
use optimus_queue::StoreError;
use serde::Serialize;
use utoipa::ToSchema;

/// Longest text of an answer that repeats what the client sent.
const LONGEST_DETAIL: usize = 512;

/// When a client should come again after the store could not take a request.
const STORE_RETRY: Duration = Duration::from_secs(2);

/// When a client should come again after a queue was full.
const FULL_RETRY: Duration = Duration::from_secs(5);

/// When a client should come again after there was no room for its content.
const CONTENT_RETRY: Duration = Duration::from_mins(1);

/// An answer that is an error.
#[derive(Debug, Clone)]
pub(crate) struct Problem(Box<ProblemDetails>);

/// What went wrong, in the shape of RFC 9457.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ProblemDetails {
    /// Names the kind of problem; stable, meant for programs.
    #[serde(rename = "type")]
    #[schema(example = "urn:optimus:problem:invalid-field")]
    kind: String,
    /// The kind of problem in words; the same for every occurrence.
    #[schema(example = "A field is invalid")]
    title: &'static str,
    /// The HTTP status.
    #[schema(example = 400)]
    status: u16,
    /// This occurrence in words.
    #[schema(example = "7 is given twice; each test case needs an id of its own")]
    detail: String,
    /// The path of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "/jobs")]
    instance: Option<String>,
    /// The field, parameter or header that is wrong, as a path into the JSON sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "test_cases[3].id")]
    field: Option<String>,
    /// The fields found wrong. In a submission that is one: nothing is looked at after the first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    errors: Vec<FieldError>,
    /// Where malformed JSON stops making sense, counted from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<usize>,
    /// The request's id, as in the `X-Request-Id` header and in the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    #[serde(skip)]
    retry_after: Option<Duration>,
}

/// One field that is wrong.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FieldError {
    #[schema(example = "test_cases[3].id")]
    field: String,
    #[schema(example = "7 is given twice; each test case needs an id of its own")]
    message: String,
}

impl Problem {
    fn new(status: StatusCode, kind: &str, title: &'static str, detail: impl Into<String>) -> Self {
        Self(Box::new(ProblemDetails {
            kind: format!("urn:optimus:problem:{kind}"),
            title,
            status: status.as_u16(),
            detail: shortened(detail.into()),
            instance: None,
            field: None,
            errors: Vec::new(),
            line: None,
            column: None,
            request_id: None,
            retry_after: None,
        }))
    }

    /// What of the request is at fault.
    fn about(mut self, field: &str) -> Self {
        self.0.field = Some(field.to_owned());
        self
    }

    fn come_again(mut self, after: Duration) -> Self {
        self.0.retry_after = Some(after);
        self
    }

    /// One field, query parameter or header is not as it must be.
    pub(crate) fn invalid_field(field: impl Into<String>, message: impl Into<String>) -> Self {
        let (field, message) = (shortened(field.into()), shortened(message.into()));
        let mut problem = Self::new(
            StatusCode::BAD_REQUEST,
            "invalid-field",
            "A field is invalid",
            message.clone(),
        );
        problem.0.field = Some(field.clone());
        problem.0.errors = vec![FieldError { field, message }];
        problem
    }

    pub(crate) fn malformed_json(detail: impl Into<String>, line: usize, column: usize) -> Self {
        let mut problem = Self::new(
            StatusCode::BAD_REQUEST,
            "malformed-json",
            "The body is not JSON",
            detail,
        );
        // An end right at the beginning of a line is at none of its columns.
        (problem.0.line, problem.0.column) = (Some(line.max(1)), Some(column.max(1)));
        problem
    }

    /// The body ended early or could not be read.
    pub(crate) fn unreadable_body() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "unreadable-body",
            "The body could not be read",
            "the body ended before its announced length, or its encoding is broken",
        )
    }

    pub(crate) fn too_many_values(most: usize) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "too-many-values",
            "The body has too many values",
            format!("more than {most} values and fields; no acceptable submission has so many"),
        )
    }

    pub(crate) fn unauthorized(detail: &'static str) -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "A valid token is needed",
            detail,
        )
    }

    pub(crate) fn job_not_found(id: JobId) -> Self {
        let detail = format!("there is no job {id}, or its result has expired");
        Self::new(StatusCode::NOT_FOUND, "job-not-found", "No such job", detail)
    }

    pub(crate) fn route_not_found() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "route-not-found",
            "No such route",
            "there is nothing at this path; GET /openapi.json lists what there is",
        )
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method-not-allowed",
            "The method is not allowed here",
            "this path exists, but not for this method; the Allow header names those it has",
        )
    }

    pub(crate) fn slow_body(least: u64) -> Self {
        Self::new(
            StatusCode::REQUEST_TIMEOUT,
            "slow-body",
            "The body came too slowly",
            format!("the body fell too far behind {least} bytes a second (api.least_bytes_per_second)"),
        )
    }

    /// `host` is what the request names; empty where it names none.
    pub(crate) fn host_not_allowed(host: &str) -> Self {
        let named = if host.is_empty() {
            "the request names no host".to_owned()
        } else {
            format!("the host {host:?} of the request is none of this server's")
        };
        Self::new(
            StatusCode::MISDIRECTED_REQUEST,
            "host-not-allowed",
            "The host is not allowed",
            format!(
                "{named}: without tokens only localhost, its addresses, api.host and the names in api.allowed_hosts \
                 (OPTIMUS__API__ALLOWED_HOSTS=name,other) are answered"
            ),
        )
        .about("Host")
    }

    pub(crate) fn already_finished(id: JobId, status: JobStatus) -> Self {
        let detail = format!("job {id} is {} already", status.as_str());
        Self::new(
            StatusCode::CONFLICT,
            "job-finished",
            "The job is finished",
            detail,
        )
    }

    pub(crate) fn body_too_large(limit: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body-too-large",
            "The body is too large",
            format!("it may have at most {}", counted(limit, "byte")),
        )
    }

    pub(crate) fn not_json() -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported-media-type",
            "The body must be JSON",
            "send it with the header Content-Type: application/json, in UTF-8 and not compressed",
        )
        .about("Content-Type")
    }

    pub(crate) fn encoded() -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported-content-encoding",
            "The body must not be compressed",
            "send the bytes as they are: their SHA-256 is their name",
        )
        .about("Content-Encoding")
    }

    pub(crate) fn content_not_found(digest: Digest) -> Self {
        let detail = format!("there is no content {digest}, or nobody has used it for its time");
        Self::new(
            StatusCode::NOT_FOUND,
            "content-not-found",
            "No such content",
            detail,
        )
    }

    pub(crate) fn digest_differs(named: Digest, found: Digest) -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "digest-differs",
            "The body is not what its digest says",
            format!("the SHA-256 of the body is {found}, not {named}; nothing was stored"),
        )
        .about("sha256")
    }

    /// All content that is there is used by jobs, or was used a moment ago.
    pub(crate) fn no_room_for_content() -> Self {
        Self::new(
            StatusCode::INSUFFICIENT_STORAGE,
            "no-room-for-content",
            "There is no room for more content",
            "what is there belongs to jobs that are not over, or was used a short while ago; come again later",
        )
        .come_again(CONTENT_RETRY)
    }

    pub(crate) fn content_unavailable() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "content-unavailable",
            "The content store is not available",
            "the content store cannot take the request at the moment; it is safe to send it again",
        )
        .come_again(STORE_RETRY)
    }

    /// What was stored here is nowhere where it is needed.
    pub(crate) fn content_elsewhere(reason: &str) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "content-elsewhere",
            "No worker has the content",
            reason.to_owned(),
        )
        .come_again(FULL_RETRY)
    }

    pub(crate) fn key_reused() -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "idempotency-key-reused",
            "The idempotency key is taken",
            "this key came with another body before; use a fresh key for a new submission",
        )
        .about("Idempotency-Key")
    }

    pub(crate) fn queue_full(language: &LanguageName) -> Self {
        let detail = format!("too many jobs of {language} wait, or too many bytes of all; come again later");
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "queue-full",
            "The queue is full",
            detail,
        )
        .come_again(FULL_RETRY)
    }

    /// No worker takes its jobs at the moment.
    pub(crate) fn unserved(language: &LanguageName, reason: &str) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "language-unavailable",
            "The language is not available",
            format!("no worker takes jobs of {language} at the moment: {reason}"),
        )
        .come_again(FULL_RETRY)
    }

    /// Bodies being read already fill the memory set aside for them.
    pub(crate) fn busy() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "busy",
            "Too many large requests at once",
            "the bodies being read at the moment fill the memory set aside for them; come again later",
        )
        .come_again(STORE_RETRY)
    }

    /// Others wait for the memory that this body has, and it comes too slowly to keep it.
    pub(crate) fn gave_way() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "busy",
            "Too many large requests at once",
            "the bodies being read at the moment fill the memory set aside for them, and this one came more slowly than \
             others; come again later",
        )
        .come_again(STORE_RETRY)
    }

    /// Answers being read already fill the memory set aside for them.
    pub(crate) fn busy_answering() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "busy",
            "Too many large answers at once",
            "the answers being read at the moment fill the memory set aside for them; come again later",
        )
        .come_again(STORE_RETRY)
    }

    /// Every connection there may be has a request under way.
    pub(crate) fn too_many_connections() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "too-many-connections",
            "Too many connections at once",
            "every connection the server may have (api.max_connections) is in use; come again later",
        )
        .come_again(STORE_RETRY)
    }

    /// As many clients as may follow a job do, and none of them has more than its share.
    pub(crate) fn too_many_streams() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "too-many-streams",
            "Too many streams at once",
            "as many jobs as may be (api.max_event_streams) are followed; come again later, or ask by GET /jobs/{id}?wait=",
        )
        .come_again(STORE_RETRY)
    }

    pub(crate) fn store_unavailable() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "store-unavailable",
            "The job store is not available",
            "the job store cannot take the request at the moment; it is safe to send it again with the same \
             Idempotency-Key",
        )
        .come_again(STORE_RETRY)
    }

    /// `reasons` are answered as the errors of the fields `store` and `workers`.
    pub(crate) fn not_ready(reasons: Vec<(&'static str, String)>) -> Self {
        let detail = reasons
            .iter()
            .map(|(_, reason)| reason.as_str())
            .collect::<Vec<_>>()
            .join("; ");
        let mut problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "not-ready", "Not ready", detail);
        problem.0.errors = reasons
            .into_iter()
            .map(|(field, message)| FieldError {
                field: field.to_owned(),
                message,
            })
            .collect();
        problem.come_again(STORE_RETRY)
    }

    /// A fault of Optimus; what it was stands in the log only.
    pub(crate) fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal-error",
            "Optimus failed",
            "an error of Optimus itself; the log has it under this request_id",
        )
    }
}

impl From<InvalidSubmission> for Problem {
    fn from(invalid: InvalidSubmission) -> Self {
        Self::invalid_field(invalid.field, invalid.message)
    }
}

impl From<ContentError> for Problem {
    fn from(error: ContentError) -> Self {
        match &error {
            ContentError::Unavailable(_) => {
                tracing::warn!(error = causes(&error), "the content store refused a request");
                Self::content_unavailable()
            }
            ContentError::NoRoom => {
                tracing::warn!("there is no room for more content (content.max_total_bytes)");
                Self::no_room_for_content()
            }
            ContentError::TooLarge { most } => {
                Self::body_too_large(usize::try_from(*most).unwrap_or(usize::MAX))
            }
            ContentError::Differs { named, found } => Self::digest_differs(*named, *found),
            ContentError::Misconfigured(_) | ContentError::Damaged(_) => {
                tracing::error!(error = causes(&error), "the content store failed");
                Self::internal()
            }
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::Unavailable(_) => {
                tracing::warn!(error = causes(&error), "the store refused a request");
                Self::store_unavailable()
            }
            // Another replica, of the newer release, may know it; so will this one when it is brought up to that.
            StoreError::NewerRecord { .. } => {
                tracing::error!(error = causes(&error), "a job is of a newer release");
                Self::store_unavailable()
            }
            StoreError::Misconfigured(_) | StoreError::Damaged { .. } => {
                tracing::error!(error = causes(&error), "the store failed");
                Self::internal()
            }
        }
    }
}

impl Problem {
    /// Adds which request it answers.
    pub(crate) fn of_request(mut self, path: &str, request_id: &str) -> Self {
        self.0.instance = Some(path.to_owned());
        self.0.request_id = Some(request_id.to_owned());
        self
    }

    pub(crate) fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(&self.0).unwrap_or_else(|_| unreachable!("texts and numbers are always JSON"))
    }
}

impl IntoResponse for Problem {
    /// The problem also stands in the response's extensions: the outermost layer knows the path and the request's id
    /// and writes the body again with both.
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, self.to_json()).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some(delay) = self.0.retry_after {
            headers.insert(header::RETRY_AFTER, delay.as_secs().into());
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// Cuts a text that repeats what the client sent, at a character's boundary.
fn shortened(mut text: String) -> String {
    if text.len() > LONGEST_DETAIL {
        text.truncate(text.floor_char_boundary(LONGEST_DETAIL));
        text.push('…');
    }
    text
}
