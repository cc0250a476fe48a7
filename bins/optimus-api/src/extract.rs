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
    connections::{Client, Place, Standing},
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
    #[param(ignore)]
    origin: Origin,
}

impl Wait {
    /// From now on the request's body is received.
    pub(crate) fn receive(&self) -> Option<Standing> {
        self.origin.receive()
    }

    /// From now on the request does nothing but wait; not at all, where its place has been given away meanwhile.
    pub(crate) fn begin(&self, wait: Duration) -> WaitLimit {
        let place = self.origin.0.as_ref();
        let is_last = place.is_some_and(|place| place.is_last());
        let wait = if is_last { Duration::ZERO } else { wait };
        WaitLimit {
            deadline: Instant::now() + wait,
            standing: place.map(Place::wait),
        }
    }
}

impl FromRequestParts<Arc<App>> for Wait {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let wait = wait(&parts.uri, app.settings.api.max_wait)?;
        let origin = Origin::of(parts);
        Ok(Self { wait, origin })
    }
}

pub(crate) fn wait(uri: &Uri, most: Duration) -> Result<Option<Duration>, Problem> {
    let given = only_parameter(uri, "wait")?;
    given.map(|text| seconds(&text, most)).transpose()
}

/// The one query parameter that a route knows, where it is given.
fn only_parameter(uri: &Uri, known: &str) -> Result<Option<String>, Problem> {
    let Query(given) = Query::<Vec<(String, String)>>::try_from_uri(uri)
        .map_err(|_| Problem::invalid_field(known, "the query cannot be read"))?;
    let mut given = given.into_iter();
    let Some((name, value)) = given.next() else {
        return Ok(None);
    };
    let unknown = if name == known {
        match given.next() {
            None => return Ok(Some(value)),
            Some((other, _)) if other == known => {
                return Err(Problem::invalid_field(known, "is given twice; give it once"));
            }
            Some((other, _)) => other,
        }
    } else {
        name
    };
    Err(Problem::invalid_field(
        unknown,
        format!("is no known query parameter; there is only {known}"),
    ))
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

/// `?after=NUMBER`, or the header `Last-Event-ID`.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct After {
    /// Tell only what came after the event of this number. For those who cannot set `Last-Event-ID`.
    #[param(required = false, example = 3)]
    pub(crate) after: u64,
}

impl FromRequestParts<Arc<App>> for After {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, Problem> {
        Ok(Self {
            after: after(&parts.uri, &parts.headers)?,
        })
    }
}

/// A client that connects again does so with the query that it came with at first, so the header is the newer one.
pub(crate) fn after(uri: &Uri, headers: &HeaderMap) -> Result<u64, Problem> {
    let asked = only_parameter(uri, "after")?;
    let asked = asked.map(|text| number("after", text.as_bytes())).transpose()?;
    let mut given = headers.get_all("last-event-id").iter();
    let last = given
        .next()
        .map(|value| number("Last-Event-ID", value.as_bytes()));
    if given.next().is_some() {
        return Err(Problem::invalid_field(
            "Last-Event-ID",
            "is given twice; give it once",
        ));
    }
    Ok(last.transpose()?.or(asked).unwrap_or(0))
}

fn number(field: &str, text: &[u8]) -> Result<u64, Problem> {
    let digits = str::from_utf8(text)
        .ok()
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    digits.and_then(|digits| digits.parse().ok()).ok_or_else(|| {
        Problem::invalid_field(
            field,
            "must be the id of an event of this job, such as 3; 0: all of them",
        )
    })
}

/// The connection that a request came over.
#[derive(Debug)]
pub(crate) struct Origin(Option<Arc<Place>>);

impl Origin {
    fn of(parts: &Parts) -> Self {
        Self(parts.extensions.get::<Arc<Place>>().cloned())
    }

    pub(crate) fn client(&self) -> Option<Client> {
        self.0.as_ref().map(|place| place.client())
    }

    /// From now on the request's answer is a stream that goes on until a job is over.
    pub(crate) fn follow(&self) -> Option<Standing> {
        self.0.as_ref().map(Place::follow)
    }

    /// From now on the request's body is received.
    pub(crate) fn receive(&self) -> Option<Standing> {
        self.0.as_ref().map(Place::receive)
    }
}

impl FromRequestParts<Arc<App>> for Origin {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, Infallible> {
        Ok(Self::of(parts))
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
    fn events_are_told_after_the_number_that_was_heard_last() {
        let of = |query: &str, last: &[&str]| {
            let mut headers = HeaderMap::new();
            for last in last {
                headers.append("last-event-id", last.parse().unwrap());
            }
            after(&format!("/jobs/x/events{query}").parse().unwrap(), &headers)
        };
        assert_eq!(of("", &[]).unwrap(), 0);
        assert_eq!(of("?after=3", &[]).unwrap(), 3);
        assert_eq!(of("?after=3", &["7"]).unwrap(), 7);
        assert_eq!(of("", &["18446744073709551615"]).unwrap(), u64::MAX);
        for bad in ["", "-1", "+1", "1.0", "1 ", "x", "18446744073709551616"] {
            assert!(of("", &[bad]).is_err(), "{bad}");
        }
        for bad in [
            "?after=",
            "?after=%2B1",
            "?after=1&after=1",
            "?after=1&x",
            "?wait=1",
        ] {
            assert!(of(bad, &["1"]).is_err(), "{bad}");
        }
        assert!(of("", &["1", "1"]).is_err());
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
