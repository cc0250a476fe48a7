//! A collector of spans, as OTLP has it: protobuf over HTTP, on loopback.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt::Write,
    sync::{Arc, Mutex},
};

use axum::{Router, body::Bytes, extract::State, routing::post};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    trace::v1::Span,
};
use prost::Message;
use tokio::{net::TcpListener, task::JoinHandle};

/// What came in.
#[derive(Debug, Default)]
struct Collected {
    spans: Vec<Span>,
    /// Of each span, by its id.
    services: HashMap<Vec<u8>, String>,
    bytes: Vec<u8>,
}

/// A running collector.
#[derive(Debug)]
pub struct Collector {
    pub endpoint: String,
    collected: Arc<Mutex<Collected>>,
    server: JoinHandle<()>,
}

impl Collector {
    pub async fn start() -> Self {
        let collected = Arc::<Mutex<Collected>>::default();
        let router = Router::new()
            .route("/v1/traces", post(take))
            .with_state(Arc::clone(&collected));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            endpoint,
            collected,
            server,
        }
    }

    /// Everything of one trace.
    pub fn trace(&self, id: &str) -> Trace {
        let collected = self.collected.lock().unwrap();
        let of_it = |span: &&Span| hex(&span.trace_id) == id;
        Trace {
            spans: collected.spans.iter().filter(of_it).cloned().collect(),
        }
    }

    /// The ids of all traces in which a span has this name.
    pub fn traces_with(&self, name: &str) -> Vec<String> {
        let collected = self.collected.lock().unwrap();
        let named = collected.spans.iter().filter(|span| span.name == name);
        named.map(|span| hex(&span.trace_id)).collect()
    }

    /// All that have sent something.
    pub fn services(&self) -> BTreeSet<String> {
        self.collected
            .lock()
            .unwrap()
            .services
            .values()
            .cloned()
            .collect()
    }

    /// The one that has sent this span.
    pub fn service_of(&self, span: &Span) -> String {
        self.collected.lock().unwrap().services[&span.span_id].clone()
    }

    /// Whether this text was ever sent.
    pub fn was_told(&self, text: &str) -> bool {
        let bytes = &self.collected.lock().unwrap().bytes;
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn take(State(collected): State<Arc<Mutex<Collected>>>, body: Bytes) {
    let request = ExportTraceServiceRequest::decode(body.clone()).unwrap();
    let mut collected = collected.lock().unwrap();
    collected.bytes.extend_from_slice(&body);
    for of_resource in request.resource_spans {
        let attributes = attributes(&of_resource.resource.unwrap().attributes);
        let service = &attributes["service.name"];
        for span in of_resource
            .scope_spans
            .into_iter()
            .flat_map(|of_scope| of_scope.spans)
        {
            collected.services.insert(span.span_id.clone(), service.clone());
            collected.spans.push(span);
        }
    }
}

/// The spans of one trace.
#[derive(Debug)]
pub struct Trace {
    pub spans: Vec<Span>,
}

impl Trace {
    /// The only span of this name.
    #[track_caller]
    pub fn one(&self, name: &str) -> &Span {
        let [span] = self.all(name)[..] else {
            panic!("not one {name} in\n{}", self.text());
        };
        span
    }

    pub fn all(&self, name: &str) -> Vec<&Span> {
        self.spans.iter().filter(|span| span.name == name).collect()
    }

    /// As a viewer shows it: each span below its parent, when it began and how long it took.
    pub fn text(&self) -> String {
        let ids: HashMap<_, _> = self.spans.iter().map(|span| (&span.span_id, span)).collect();
        let start = self
            .spans
            .iter()
            .map(|span| span.start_time_unix_nano)
            .min()
            .unwrap_or(0);
        let mut text = format!("{:<34} {:>10} {:>10}\n", "span", "begins ms", "takes ms");
        let mut open: Vec<_> = self
            .spans
            .iter()
            .filter(|span| !ids.contains_key(&span.parent_span_id))
            .map(|span| (0, span))
            .collect();
        while let Some((depth, span)) = open.pop() {
            let told: Vec<_> = attributes(&span.attributes)
                .into_iter()
                .map(|(key, value)| format!("{key}={value}"))
                .collect();
            writeln!(
                text,
                "{:<34} {:>10.2} {:>10.2}  {}",
                format!("{}{}", "  ".repeat(depth), span.name),
                milliseconds(span.start_time_unix_nano - start),
                milliseconds(span.end_time_unix_nano - span.start_time_unix_nano),
                told.join(" ")
            )
            .unwrap();
            let mut children: Vec<_> = self
                .spans
                .iter()
                .filter(|child| child.parent_span_id == span.span_id)
                .collect();
            children.sort_by_key(|child| std::cmp::Reverse(child.start_time_unix_nano));
            open.extend(children.into_iter().map(|child| (depth + 1, child)));
        }
        text
    }
}

fn milliseconds(nanoseconds: u64) -> f64 {
    std::time::Duration::from_nanos(nanoseconds).as_secs_f64() * 1000.0
}

pub fn attributes(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |value: &Value| match value {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        other => panic!("an attribute is no text and no number: {other:?}"),
    };
    let read = |pair: &KeyValue| {
        let value = pair.value.as_ref().and_then(|value| value.value.as_ref());
        (pair.key.clone(), text(value.unwrap()))
    };
    attributes.iter().map(read).collect()
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}
