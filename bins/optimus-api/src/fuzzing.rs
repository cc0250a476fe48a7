//! What the fuzz targets need of this crate's private parts. A refusal is the body of the answer.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use optimus_common::{job::JobContext, language::Languages, submission::Submission};
use optimus_judge::settings::LimitSettings;

use crate::{auth::Tokens, body, extract, problem::Problem, submit};

type Answer<T> = Result<T, Vec<u8>>;

fn answer<T>(result: Result<T, Problem>) -> Answer<T> {
    result.map_err(|problem| problem.to_json())
}

/// The body of `POST /jobs`.
pub fn submission(body: &[u8], languages: &Languages, limits: &LimitSettings) -> Answer<Submission> {
    answer(submit::new_job(
        body,
        None,
        JobContext::default(),
        languages,
        limits,
    ))
    .map(|new| new.submission)
}

/// The wait a request asks for; `None` where its target is none for HTTP.
pub fn wait(target: &[u8], most: Duration) -> Option<Answer<Option<Duration>>> {
    let uri = Uri::try_from(target).ok()?;
    Some(answer(extract::wait(&uri, most)))
}

/// A request's headers, as far as we read them.
#[derive(Debug)]
pub struct Headers(HeaderMap);

impl Headers {
    /// Lines of `name: value`; what is none for HTTP is left out.
    pub fn new(lines: &[&[u8]]) -> Self {
        let mut headers = HeaderMap::new();
        for line in lines {
            let Some(colon) = line.iter().position(|byte| *byte == b':') else {
                continue;
            };
            let name = HeaderName::from_bytes(&line[..colon]);
            let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
            if let (Ok(name), Ok(value)) = (name, value) {
                headers.append(name, value);
            }
        }
        Self(headers)
    }

    pub fn idempotency_key(&self) -> Answer<Option<String>> {
        answer(extract::idempotency_key(&self.0))
    }

    /// The event after which a request with these wants to go on; `None` where its target is none for HTTP.
    pub fn after(&self, target: &[u8]) -> Option<Answer<u64>> {
        let uri = Uri::try_from(target).ok()?;
        Some(answer(extract::after(&uri, &self.0)))
    }

    pub fn last_event_id(&self) -> Option<&[u8]> {
        self.0.get("last-event-id").map(HeaderValue::as_bytes)
    }

    pub fn require_json(&self) -> Answer<()> {
        answer(body::require_json(&self.0))
    }

    /// Whether a request with these may pass where this is the only token.
    pub fn authorize(&self, token: &str) -> Answer<()> {
        answer(Tokens::new(&[token.to_owned()]).check(&self.0))
    }

    pub fn authorization(&self) -> Option<&[u8]> {
        self.0.get(header::AUTHORIZATION).map(HeaderValue::as_bytes)
    }
}
