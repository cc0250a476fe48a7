//! Which end of a conversation a span is of. Collectors want to know it, and no line of the log needs it.

use opentelemetry::{
    Context,
    trace::{SpanBuilder, SpanKind, Tracer},
};
use opentelemetry_sdk::trace::{SdkTracer, Span};

/// Spans of these names begin in another process.
const KINDS: [(&str, SpanKind); 2] = [("request", SpanKind::Server), ("job", SpanKind::Consumer)];

/// Gives spans their kind by their name.
#[derive(Debug)]
pub(super) struct Kinds(pub(super) SdkTracer);

impl Tracer for Kinds {
    type Span = Span;

    fn build_with_context(&self, mut builder: SpanBuilder, parent: &Context) -> Span {
        let kind = KINDS.iter().find(|(name, _)| builder.name == *name);
        builder.span_kind = builder.span_kind.or_else(|| kind.map(|(_, kind)| kind.clone()));
        self.0.build_with_context(builder, parent)
    }
}
