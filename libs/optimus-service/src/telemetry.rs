//! Spans on their way to a collector: OTLP, as protobuf over HTTP.
//!
//! Configured by the standard environment variables of OpenTelemetry, and off without an endpoint. Spans go from a queue of
//! bounded length to the collector in a thread of its own: what cannot be sent is dropped, and nobody waits for it.

mod client;
mod kinds;

use std::{env, sync::OnceLock, time::Duration};

use opentelemetry::{KeyValue, trace::TracerProvider};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    trace::{SdkTracer, SdkTracerProvider},
};
use tokio::runtime::Handle;
use tracing::{Level, level_filters::LevelFilter};
use tracing_subscriber::{Layer, filter::FilterFn, registry::Registry};

use self::{client::Client, kinds::Kinds};

/// How long a process that leaves waits for its last spans to be sent.
const FLUSH: Duration = Duration::from_secs(2);

/// How long the collector may take to take some spans.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Spans of these targets are ours.
const OURS: &str = "optimus";

/// What makes spans of this process, where they are exported.
static TRACER: OnceLock<SdkTracer> = OnceLock::new();

pub(crate) fn tracer() -> Option<&'static SdkTracer> {
    TRACER.get()
}

/// The way of this process's spans to the collector.
#[derive(Debug)]
pub(crate) struct Telemetry {
    provider: SdkTracerProvider,
    /// Of the collector, for people.
    address: String,
}

/// Why spans cannot be exported as the environment asks for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TelemetryError {
    #[error("spans are exported by http/protobuf alone, not by {0:?} (OTEL_EXPORTER_OTLP_PROTOCOL)")]
    Protocol(String),
    #[error("the only exporter of spans is otlp, not {0:?} (OTEL_TRACES_EXPORTER)")]
    Exporter(String),
    #[error("a collector is spoken to by http, not by {0:?}; let one on this machine pass the spans on")]
    Scheme(String),
    #[error("the variables OTEL_EXPORTER_OTLP_… cannot be followed")]
    Invalid(#[source] ExporterBuildError),
}

impl Telemetry {
    /// Inside a runtime. `None` where no collector is named. `service` is what this process is called where the environment
    /// does not say.
    pub(crate) fn from_environment(service: &'static str) -> Result<Option<Self>, TelemetryError> {
        let endpoint = variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
            .or_else(|| variable("OTEL_EXPORTER_OTLP_ENDPOINT"));
        let Some(endpoint) = endpoint else { return Ok(None) };
        if variable("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Ok(None);
        }
        match variable("OTEL_TRACES_EXPORTER").as_deref() {
            None | Some("otlp") => {}
            Some("none") => return Ok(None),
            Some(other) => return Err(TelemetryError::Exporter(other.to_owned())),
        }
        let protocol = variable("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")
            .or_else(|| variable("OTEL_EXPORTER_OTLP_PROTOCOL"));
        if let Some(other) = protocol.filter(|protocol| protocol != "http/protobuf") {
            return Err(TelemetryError::Protocol(other));
        }
        if !endpoint.starts_with("http://") {
            let scheme = endpoint.split_once("://").map_or("", |(scheme, _)| scheme);
            return Err(TelemetryError::Scheme(scheme.to_owned()));
        }
        let address = without_password(&endpoint);
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Client::new(Handle::current(), timeout(), address.clone()))
            .build()
            .map_err(TelemetryError::Invalid)?;
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource(service))
            .build();
        Ok(Some(Self { provider, address }))
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Makes spans of `tracing` those of OpenTelemetry. Events stay in the log: a span holds what we name, and no text.
    pub(crate) fn layer(&self) -> impl Layer<Registry> + Send + Sync + use<> {
        let tracer = self.provider.tracer("optimus");
        TRACER.get_or_init(|| tracer.clone());
        let ours = FilterFn::new(|metadata| {
            metadata.is_span() && *metadata.level() <= Level::INFO && metadata.target().starts_with(OURS)
        });
        tracing_opentelemetry::layer()
            .with_tracer(Kinds(tracer))
            .with_location(false)
            .with_target(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(ours.with_max_level_hint(LevelFilter::INFO))
    }

    /// Sends what has not been sent, if the collector is quick enough.
    pub(crate) async fn end(self) {
        let flushing = tokio::task::spawn_blocking(move || self.provider.shutdown_with_timeout(FLUSH));
        if let Ok(Err(error)) = flushing.await {
            tracing::debug!(
                error = optimus_common::causes(&error),
                "the last spans were not sent"
            );
        }
    }
}

/// The name that the environment gives goes before ours.
fn resource(service: &'static str) -> Resource {
    let builder = Resource::builder();
    let is_named = variable("OTEL_SERVICE_NAME").is_some()
        || variable("OTEL_RESOURCE_ATTRIBUTES").is_some_and(|attributes| {
            attributes
                .split(',')
                .any(|attribute| attribute.trim_start().starts_with("service.name="))
        });
    let builder = if is_named {
        builder
    } else {
        builder.with_service_name(service)
    };
    builder
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build()
}

/// An address may hold a user's name and password.
fn without_password(endpoint: &str) -> String {
    let (scheme, rest) = endpoint.split_once("://").unwrap_or(("", endpoint));
    let rest = rest.rsplit_once('@').map_or(rest, |(_, address)| address);
    format!("{scheme}://{rest}")
}

fn timeout() -> Duration {
    let milliseconds = variable("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT")
        .or_else(|| variable("OTEL_EXPORTER_OTLP_TIMEOUT"))
        .and_then(|value| value.trim().parse().ok());
    milliseconds.map_or(TIMEOUT, Duration::from_millis)
}

/// A variable that is empty is none, as OpenTelemetry has it.
fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_never_has_a_password() {
        for (endpoint, told) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318"),
            (
                "http://me:secret@collector:4318/otlp",
                "http://collector:4318/otlp",
            ),
            ("http://me:se@cret@collector", "http://collector"),
        ] {
            assert_eq!(without_password(endpoint), told);
        }
    }
}
