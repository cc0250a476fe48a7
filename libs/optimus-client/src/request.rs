//! What requests begin with, and how long one waits for answers.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};

/// Longest wait for an answer beyond the one asked for.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_mins(2);
/// From one question after a job to the next, at least. A server whose connections are all taken answers early, and would
/// be asked again at once.
pub(crate) const PAUSE: Duration = Duration::from_secs(1);

/// Without headers and without a body; `target` is a path of this library's own.
pub(crate) fn request(method: Method, target: &str) -> Request<Bytes> {
    let mut request = Request::new(Bytes::new());
    *request.method_mut() = method;
    *request.uri_mut() = target
        .parse()
        .unwrap_or_else(|_| unreachable!("words, ids and digests make a path"));
    request
}
