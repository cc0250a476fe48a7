//! Spans that go beyond this process: whose child one is, and those of which only facts arrive.
//!
//! A span that is open while its work is done is one of `tracing`. Everything here does nothing, and costs next to nothing,
//! where spans are not exported.

use std::{str::FromStr, time::SystemTime};

pub use opentelemetry::KeyValue;
use opentelemetry::{
    Context, SpanId, TraceFlags, TraceId,
    trace::{self, Span as _, SpanContext, Status, TraceContextExt, Tracer},
};
use optimus_common::trace::{TraceContext, TraceParent};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::telemetry::tracer;

/// Makes the span a child of one in another process. Before anything else is done with it.
pub fn continue_from(span: &Span, parent: &TraceContext) {
    if tracer().is_some() {
        // It fails where the span is not exported, as one for the log alone is not.
        let _ = span.set_parent(remote(parent));
    }
}

/// By what another process makes a child of this span; `None` where it is not exported and so none could find it.
pub fn context_of(span: &Span) -> Option<TraceContext> {
    tracer()?;
    let context = span.context();
    let context = context.span().span_context().clone();
    let parent = TraceParent::new(
        context.trace_id().to_bytes(),
        context.span_id().to_bytes(),
        context.trace_flags().to_u8(),
    )?;
    Some(TraceContext {
        parent,
        state: context.trace_state().header().parse().ok(),
    })
}

fn remote(parent: &TraceContext) -> Context {
    let state = parent.state.as_ref();
    let context = SpanContext::new(
        TraceId::from_bytes(parent.parent.trace_id()),
        SpanId::from_bytes(parent.parent.span_id()),
        TraceFlags::new(parent.parent.flags()),
        true,
        state
            .and_then(|state| trace::TraceState::from_str(state.as_str()).ok())
            .unwrap_or_default(),
    );
    Context::new().with_remote_span_context(context)
}

/// A child of `parent` that began and ended before anybody here heard of it.
pub fn past(
    parent: &Span,
    name: &'static str,
    times: (SystemTime, SystemTime),
    attributes: impl FnOnce() -> Vec<KeyValue>,
) {
    if tracer().is_some() {
        past_in(&parent.context(), name, times, attributes);
    }
}

/// As [`past`], for a parent in another process.
pub fn past_remote(
    parent: &TraceContext,
    name: &'static str,
    times: (SystemTime, SystemTime),
    attributes: impl FnOnce() -> Vec<KeyValue>,
) {
    if tracer().is_some() {
        past_in(&remote(parent), name, times, attributes);
    }
}

fn past_in(
    context: &Context,
    name: &'static str,
    (begin, end): (SystemTime, SystemTime),
    attributes: impl FnOnce() -> Vec<KeyValue>,
) {
    let Some(tracer) = tracer() else { return };
    if !context.span().span_context().is_sampled() {
        return;
    }
    tracer
        .span_builder(name)
        .with_start_time(begin)
        .with_attributes(attributes())
        .start_with_context(tracer, context)
        .end_with_timestamp(end.max(begin));
}

/// What a collector shows the span as.
pub fn name(span: &Span, name: impl FnOnce() -> String) {
    if tracer().is_some() {
        span.context().span().update_name(name());
    }
}

/// An attribute for the collector alone; the log says it elsewhere.
pub fn attribute(span: &Span, key: &'static str, value: impl Into<opentelemetry::Value>) {
    if tracer().is_some() {
        span.set_attribute(key, value);
    }
}

/// The span's work failed by a fault of ours. `kind` is one of few fixed words: what boxes say may not leave in a span.
pub fn failed(span: &Span, kind: &'static str) {
    if tracer().is_some() {
        span.set_status(Status::error(""));
        span.set_attribute("error.type", kind);
    }
}
