//! The trace context that a request brings along, by the W3C recommendation "Trace Context".

use axum::http::{HeaderMap, HeaderName};
use optimus_common::trace::TraceContext;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// `None` where there is none, or none that is valid: such headers are ignored, and the request is as good as without them.
pub(crate) fn trace_context(headers: &HeaderMap) -> Option<TraceContext> {
    let mut parents = headers.get_all(TRACEPARENT).iter();
    let (parent, None) = (parents.next()?.to_str().ok()?, parents.next()) else {
        return None;
    };
    // Several headers of this name are one list. One that is no text makes the whole invalid.
    let states: Result<Vec<_>, _> = headers
        .get_all(TRACESTATE)
        .iter()
        .map(|state| state.to_str())
        .collect();
    let state = states.unwrap_or_default().join(",");
    TraceContext::parse(parent, Some(&state)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn read(headers: &[(HeaderName, &str)]) -> Option<(String, Option<String>)> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, value.parse().unwrap());
        }
        trace_context(&map).map(|trace| {
            (
                trace.parent.to_string(),
                trace.state.map(|state| state.to_string()),
            )
        })
    }

    #[test]
    fn valid_headers_are_taken() {
        let parent = || Some(PARENT.to_owned());
        assert_eq!(read(&[(TRACEPARENT, PARENT)]), Some((parent().unwrap(), None)));
        assert_eq!(
            read(&[
                (TRACESTATE, "a=1"),
                (TRACEPARENT, PARENT),
                (TRACESTATE, "b=2, c=3")
            ]),
            Some((parent().unwrap(), Some("a=1,b=2,c=3".to_owned())))
        );
    }

    #[test]
    fn invalid_ones_are_ignored() {
        assert_eq!(read(&[]), None);
        assert_eq!(read(&[(TRACESTATE, "a=1")]), None);
        assert_eq!(
            read(&[(TRACEPARENT, PARENT), (TRACEPARENT, PARENT)]),
            None,
            "twice"
        );
        assert_eq!(read(&[(TRACEPARENT, &PARENT.to_uppercase())]), None);
        let kept = read(&[(TRACEPARENT, PARENT), (TRACESTATE, "a=1"), (TRACESTATE, "a=é")]);
        assert_eq!(
            kept,
            Some((PARENT.to_owned(), None)),
            "the state alone is dropped"
        );
    }
}
