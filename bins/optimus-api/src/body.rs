//! Receiving a request's body: in time, within its limit, and within the memory set aside for all of them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    body::{Body, BodyDataStream, HttpBody},
    http::{HeaderMap, header},
};
use futures_util::StreamExt;
use tokio::time::timeout;

use crate::problem::Problem;

/// Longest wait for the next bytes of a body.
const NEXT_BYTES: Duration = Duration::from_secs(30);

/// How many bodies of the largest size may be in memory at once, in all requests together.
const LARGEST_BODIES: usize = 8;

/// What is still read of a refused body, so that its sender gets to read the answer before the connection is closed.
const LINGER_BYTES: usize = 64 << 20;
const LINGER: Duration = Duration::from_secs(5);

/// Receives bodies.
#[derive(Debug)]
pub(crate) struct Intake {
    /// Largest body.
    limit: usize,
    /// Bytes of all bodies held at the moment.
    held: Arc<AtomicUsize>,
}

/// A body, and its share of the memory set aside for bodies.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) bytes: Vec<u8>,
    pub(crate) share: Share,
}

impl Intake {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            held: Arc::default(),
        }
    }

    pub(crate) async fn receive(&self, headers: &HeaderMap, body: Body) -> Result<Received, Problem> {
        if body.size_hint().lower() > self.limit as u64 {
            // A client that asked first has sent nothing yet; to read on would tell it to.
            if !headers.contains_key(header::EXPECT) {
                tokio::spawn(linger(body.into_data_stream()));
            }
            return Err(Problem::body_too_large(self.limit));
        }
        let mut stream = body.into_data_stream();
        let mut bytes = Vec::new();
        let mut share = Share {
            held: Arc::clone(&self.held),
            bytes: 0,
        };
        let most_held = self.limit.saturating_mul(LARGEST_BODIES);
        loop {
            match timeout(NEXT_BYTES, stream.next()).await {
                Err(_) => return Err(Problem::slow_body()),
                Ok(None) => return Ok(Received { bytes, share }),
                Ok(Some(Err(_))) => return Err(Problem::unreadable_body()),
                Ok(Some(Ok(chunk))) => {
                    let problem = if bytes.len() + chunk.len() > self.limit {
                        Problem::body_too_large(self.limit)
                    } else if !share.grow(chunk.len(), most_held) {
                        Problem::busy()
                    } else {
                        bytes.extend_from_slice(&chunk);
                        continue;
                    };
                    tokio::spawn(linger(stream));
                    return Err(problem);
                }
            }
        }
    }
}

/// Reads on and throws away. A connection closed with bytes unread is reset, and the answer on its way is lost.
async fn linger(mut stream: BodyDataStream) {
    let discard = async {
        let mut left = LINGER_BYTES;
        while let Some(Ok(chunk)) = stream.next().await {
            left = left.saturating_sub(chunk.len());
            if left == 0 {
                break;
            }
        }
    };
    // Whether it ended or the time did, the connection may be closed now.
    let _ = timeout(LINGER, discard).await;
}

/// Bytes counted as held until it is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    held: Arc<AtomicUsize>,
    bytes: usize,
}

impl Share {
    /// Takes more; `false`, and nothing taken, where all shares together would pass `most`.
    fn grow(&mut self, bytes: usize, most: usize) -> bool {
        let grown = |held: usize| held.checked_add(bytes).filter(|sum| *sum <= most);
        let taken = self
            .held
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, grown)
            .is_ok();
        if taken {
            self.bytes += bytes;
        }
        taken
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Refuses what does not say that it is JSON, or is compressed.
pub(crate) fn require_json(headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let essence = text(header::CONTENT_TYPE)
        .and_then(|value| value.split(';').next())
        .unwrap_or_default();
    let essence = essence.trim().to_ascii_lowercase();
    let is_json =
        essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"));
    let is_plain = match headers.get(header::CONTENT_ENCODING) {
        None => true,
        Some(encoding) => encoding.as_bytes().eq_ignore_ascii_case(b"identity"),
    };
    if is_json && is_plain {
        Ok(())
    } else {
        Err(Problem::not_json())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_never_pass_what_is_set_aside() {
        let held = Arc::default();
        let share = || Share {
            held: Arc::clone(&held),
            bytes: 0,
        };
        let (mut first, mut second) = (share(), share());
        assert!(first.grow(60, 100));
        assert!(!second.grow(50, 100));
        assert!(second.grow(40, 100));
        drop(first);
        assert!(second.grow(60, 100));
        drop(second);
        assert_eq!(held.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn only_json_is_taken() {
        let with = |content_type: &str, encoding: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, content_type.parse().unwrap());
            if let Some(encoding) = encoding {
                headers.insert(header::CONTENT_ENCODING, encoding.parse().unwrap());
            }
            require_json(&headers).is_ok()
        };
        assert!(with("application/json", None));
        assert!(with("Application/JSON; charset=utf-8", Some("identity")));
        assert!(with("application/vnd.api+json", None));
        assert!(!with("text/plain", None));
        assert!(!with("application/jsonp", None));
        assert!(!with("application/json", Some("gzip")));
        assert!(require_json(&HeaderMap::new()).is_err());
    }
}
