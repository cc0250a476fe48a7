//! Figures in the `OpenMetrics` text format, which Prometheus reads.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, text};
use prometheus_client::registry::{Registry, Unit};

/// The content type of what is encoded here.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Whatever has figures to show. The parts of one answer are written one after the other, and [`end`] closes it.
pub trait Metrics: Send + Sync + 'static {
    fn encode(&self, text: &mut String) -> fmt::Result;
}

impl Metrics for Registry {
    fn encode(&self, text: &mut String) -> fmt::Result {
        text::encode_registry(text, self)
    }
}

/// The last line of an answer.
pub fn end(text: &mut String) -> fmt::Result {
    text::encode_eof(text)
}

/// Writes one metric with a value for each set of labels, from a collector.
pub fn family<M: EncodeMetric>(
    encoder: &mut DescriptorEncoder<'_>,
    (name, help, unit): (&str, &str, Option<&Unit>),
    values: impl Iterator<Item = (Vec<(&'static str, String)>, M)>,
) -> fmt::Result {
    let mut values = values.peekable();
    let Some((_, first)) = values.peek() else {
        return Ok(());
    };
    let mut descriptor = encoder.encode_descriptor(name, help, unit, first.metric_type())?;
    for (labels, value) in values {
        value.encode(descriptor.encode_family(&labels)?)?;
    }
    Ok(())
}
