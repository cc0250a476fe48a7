//! The parts of a request beside its body.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    extract::{FromRequestParts, Path, Query},
    http::{HeaderMap, Uri, request::Parts},
};
use optimus_common::{
    JobId,
    content::{Digest, NotADigest},
};
use tokio::time::Instant;
use utoipa::IntoParams;

use crate::{
    App,
    connections::{Place, Standing},
    problem::Problem,
    waiting::WaitLimit,
};

/// `?wait=SECONDS`.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wait {
    /// Answer when the job is done, or after this many seconds, or earlier, where its connection's place is needed.
    /// Fractions are allowed; the installation's maximum (`api.max_wait_ms`) applies.
    #[param(value_type = f64, required = false, minimum = 0, example = 10)]
    pub(crate) wait: Option<Duration>,
    /// The connection that it came over.
    #[param(ignore)]
    place: Option<Arc<Place>>,
}

impl Wait {
    /// From now on the request's body is received.
    pub(crate) fn receive(&self) -> Option<Standing> {
        self.place.as_ref().map(Place::receive)
    }

    /// From now on the request does nothing but wait; not at all, where its place has been given away meanwhile.
    pub(crate) fn begin(&self, wait: Duration) -> WaitLimit {
        let is_last = self.place.as_ref().is_some_and(|place| place.is_last());
        let wait = if is_last { Duration::ZERO } else { wait };
        WaitLimit {
            deadline: Instant::now() + wait,
            standing: self.place.as_ref().map(Place::wait),
        }
    }
}

impl FromRequestParts<Arc<App>> for Wait {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let wait = wait(&parts.uri, app.settings.api.max_wait)?;
        let place = parts.extensions.get::<Arc<Place>>().cloned();
        Ok(Self { wait, place })
    }
}

pub(crate) fn wait(uri: &Uri, most: Duration) -> Result<Option<Duration>, Problem> {
    let Query(given) = Query::<Vec<(String, String)>>::try_from_uri(uri)
        .map_err(|_| Problem::invalid_field("wait", "the query cannot be read"))?;
    match given.as_slice() {
        [] => Ok(None),
        [(name, value)] if name == "wait" => seconds(value, most).map(Some),
        [(name, _), (other, _), ..] if name == "wait" && other == "wait" => {
            Err(Problem::invalid_field("wait", "stands there twice"))
        }
        [(first, _), rest @ ..] => {
            let unknown = if first == "wait" {
                rest.first().map_or(first, |(name, _)| name)
            } else {
                first
            };
            Err(Problem::invalid_field(
                unknown,
                "is no known query parameter; there is only wait",
            ))
        }
    }
}

fn seconds(text: &str, most: Duration) -> Result<Duration, Problem> {
    match text.parse::<f64>() {
        // Anything above the maximum is the maximum, also what no Duration can hold.
        Ok(seconds) if seconds >= most.as_secs_f64() => Ok(most),
        Ok(seconds) if seconds >= 0.0 => Ok(Duration::from_secs_f64(seconds)),
        _ => Err(Problem::invalid_field(
            "wait",
            "must be a number of seconds, 0 or more, such as 2.5",
        )),
    }
}

/// The connection that a request came over.
#[derive(Debug)]
pub(crate) struct Origin(Option<Arc<Place>>);

impl Origin {
    /// From now on the request's body is received.
    pub(crate) fn receive(&self) -> Option<Standing> {
        self.0.as_ref().map(Place::receive)
    }
}

impl FromRequestParts<Arc<App>> for Origin {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, Infallible> {
        Ok(Self(parts.extensions.get::<Arc<Place>>().cloned()))
    }
}

/// The content named in the path.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct BlobPath {
    /// The SHA-256 of the content, as 64 hexadecimal digits in lower case.
    #[param(value_type = String, pattern = "^[0-9a-f]{64}$", example = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")]
    pub(crate) sha256: Digest,
}

impl FromRequestParts<Arc<App>> for BlobPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let text = Path::<String>::from_request_parts(parts, app).await.ok();
        let sha256 = text.map_or(Err(NotADigest), |Path(text)| text.parse());
        sha256
            .map(|sha256| Self { sha256 })
            .map_err(|error| Problem::invalid_field("sha256", error.to_string()))
    }
}

/// The job named in the path.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct JobPath {
    /// As `POST /jobs` answered it.
    #[param(value_type = String, format = "uuid")]
    pub(crate) id: JobId,
}

impl FromRequestParts<Arc<App>> for JobPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let text = Path::<String>::from_request_parts(parts, app).await.ok();
        let id = text.and_then(|Path(text)| text.parse().ok());
        id.map(|id| Self { id })
            .ok_or_else(|| Problem::invalid_field("id", "is no job id, which is a UUID"))
    }
}

/// The request's idempotency key.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct IdempotencyKey {
    /// Makes it safe to send a submission again: the same key and body give the same job. 1 to 255 visible ASCII
    /// characters.
    #[param(rename = "Idempotency-Key", value_type = String, required = false, min_length = 1, max_length = 255)]
    pub(crate) key: Option<String>,
}

impl FromRequestParts<Arc<App>> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, Problem> {
        idempotency_key(&parts.headers).map(|key| Self { key })
    }
}

pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut given = headers.get_all("idempotency-key").iter();
    let Some(key) = given.next() else { return Ok(None) };
    let visible = (1..=255).contains(&key.len()) && key.as_bytes().iter().all(u8::is_ascii_graphic);
    match key.to_str() {
        Ok(text) if visible && given.next().is_none() => Ok(Some(text.to_owned())),
        _ => Err(Problem::invalid_field(
            "Idempotency-Key",
            "must be 1 to 255 visible ASCII characters, sent once",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_a_number_of_seconds_up_to_the_maximum() {
        let most = Duration::from_mins(1);
        for (text, millis) in [
            ("0", 0),
            ("-0", 0),
            ("0.25", 250),
            ("60", 60_000),
            ("1e30", 60_000),
            ("inf", 60_000),
        ] {
            assert_eq!(seconds(text, most).unwrap().as_millis(), millis, "{text}");
        }
        for text in ["", "-1", "NaN", "2s", " 1", "true"] {
            assert!(seconds(text, most).is_err(), "{text}");
        }
    }

    #[test]
    fn an_idempotency_key_is_visible_ascii() {
        let key = |bytes: &[u8]| {
            let mut headers = HeaderMap::new();
            headers.insert(
                "idempotency-key",
                axum::http::HeaderValue::from_bytes(bytes).unwrap(),
            );
            idempotency_key(&headers)
        };
        assert_eq!(key(b"a-1!").unwrap().unwrap(), "a-1!");
        assert!(key(&[b'k'; 255]).is_ok());
        for bad in [&b""[..], b"a b", b"\xc3\xa9", &[b'k'; 256]] {
            assert!(key(bad).is_err());
        }
    }
}
