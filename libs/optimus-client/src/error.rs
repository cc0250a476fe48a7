//! What may go wrong, and whose turn it is then.

use std::{error::Error as StdError, fmt};

use http::StatusCode;
use serde::Deserialize;

pub type Result<T> = std::result::Result<T, Error>;

/// A cause of another library, whose types are no part of this one.
pub(crate) type Cause = Box<dyn StdError + Send + Sync>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{address:?} is no address")]
    NoAddress {
        address: String,
        #[source]
        cause: Cause,
    },
    /// There is no TLS here.
    #[error("{address:?} is no http:// address")]
    NotHttp { address: String },
    #[error("cannot make an HTTP client")]
    NoHttpClient {
        #[source]
        cause: Cause,
    },
    /// A token or an idempotency key that cannot be sent.
    #[error("the {what} has characters that a header cannot have")]
    NoHeaderValue { what: &'static str },
    /// Nobody answered, or not to the end. What was asked for may have been done all the same.
    #[error("cannot reach the API at {address}")]
    Unreachable {
        address: String,
        #[source]
        cause: Cause,
    },
    #[error("{address} does not answer as Optimus does")]
    NotOptimus {
        address: String,
        #[source]
        cause: Cause,
    },
    #[error(transparent)]
    Refused(Box<Refusal>),
}

impl Error {
    /// Whether the same request may succeed later. One that makes a job is safe to send again only with the same idempotency
    /// key.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused(refusal) => refusal.is_temporary(),
            Self::NoAddress { .. }
            | Self::NotHttp { .. }
            | Self::NoHttpClient { .. }
            | Self::NoHeaderValue { .. }
            | Self::NotOptimus { .. } => false,
        }
    }

    /// What the API said, where it was the API that refused.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }
}

/// An answer that is an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub status: StatusCode,
    /// `None` where it was told in another way, by a proxy between for example.
    pub problem: Option<Problem>,
    /// Seconds until it is worth coming again, where that was told.
    pub retry_after: Option<u64>,
}

/// An error as the API tells it (RFC 9457).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Problem {
    /// Names the kind of problem, as `urn:optimus:problem:queue-full` does.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// The kind of problem in words.
    pub title: Option<String>,
    /// This occurrence in words.
    pub detail: Option<String>,
    /// The field, parameter or header that is wrong.
    pub field: Option<String>,
    /// The request's id, as the server's log has it.
    pub request_id: Option<String>,
}

impl Refusal {
    pub(crate) fn read(status: StatusCode, retry_after: Option<&str>, body: &[u8]) -> Self {
        Self {
            status,
            problem: serde_json::from_slice(body).ok(),
            retry_after: retry_after.and_then(|seconds| seconds.parse().ok()),
        }
    }

    /// A full queue empties by itself, and a server comes back; every other request would be answered the same way again.
    pub fn is_temporary(&self) -> bool {
        self.status == StatusCode::TOO_MANY_REQUESTS || self.status.is_server_error()
    }

    /// Whether a submission was refused for the content that it names: it is gone, or no worker has it, or nothing can be said of
    /// it or noted at the moment. The same would be taken with everything sent along.
    pub fn is_about_content(&self) -> bool {
        const KINDS: [&str; 3] = [
            "urn:optimus:problem:content-elsewhere",
            "urn:optimus:problem:content-unavailable",
            "urn:optimus:problem:no-room-for-content",
        ];
        let Some(Problem { kind, field, .. }) = &self.problem else {
            return false;
        };
        kind.as_deref().is_some_and(|kind| KINDS.contains(&kind))
            || field.as_deref().is_some_and(|field| field.ends_with("_sha256"))
    }
}

impl StdError for Refusal {}

/// In one line.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the API answered {}", self.status.as_u16())?;
        if let Some(Problem {
            title, detail, field, ..
        }) = &self.problem
        {
            for part in [title, field, detail].into_iter().flatten() {
                write!(f, ": {part}")?;
            }
        } else if let Some(reason) = self.status.canonical_reason() {
            write!(f, ": {reason}")?;
        }
        match self.retry_after {
            Some(seconds) => write!(f, " (try again in {seconds} s)"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_are_told_with_their_field() {
        let body = br#"{"type":"t","title":"A field is invalid","status":400,"detail":"7 is given twice","field":"test_cases[3].id"}"#;
        let refusal = Refusal::read(StatusCode::BAD_REQUEST, None, body);
        assert!(!refusal.is_temporary());
        assert_eq!(
            refusal.to_string(),
            "the API answered 400: A field is invalid: test_cases[3].id: 7 is given twice"
        );
    }

    #[test]
    fn content_that_is_gone_is_known_by_its_field() {
        let refused = |field: &str| {
            let body = format!(r#"{{"type":"urn:optimus:problem:invalid-field","field":"{field}"}}"#);
            Refusal::read(StatusCode::BAD_REQUEST, None, body.as_bytes()).is_about_content()
        };
        assert!(refused("test_cases[3].input_sha256"));
        assert!(!refused("test_cases[3].input") && !refused("language"));
    }

    #[test]
    fn a_full_queue_is_temporary_and_says_when_to_come_again() {
        let refusal = Refusal::read(StatusCode::TOO_MANY_REQUESTS, Some("5"), b"");
        assert!(refusal.is_temporary());
        assert_eq!(
            refusal.to_string(),
            "the API answered 429: Too Many Requests (try again in 5 s)"
        );
    }
}
