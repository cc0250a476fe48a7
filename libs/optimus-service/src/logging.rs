//! Logs: events of `tracing` on standard error, beside what becomes of its spans.

use std::{
    env,
    io::{self, IsTerminal},
};

use tracing_subscriber::{
    EnvFilter, Layer, layer::SubscriberExt, registry::Registry, util::SubscriberInitExt,
};

use crate::{LogSettings, ProcessError, telemetry::Telemetry};

type AnyLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// From here on logs go to standard error, where `log` says how, and spans to the collector, where there is one.
pub(crate) fn start(log: Option<&LogSettings>, telemetry: Option<&Telemetry>) -> Result<(), ProcessError> {
    let mut layers: Vec<AnyLayer> = Vec::new();
    if let Some(log) = log {
        layers.push(lines(log)?);
    }
    if let Some(telemetry) = telemetry {
        layers.push(telemetry.layer().boxed());
    }
    if !layers.is_empty() {
        tracing_subscriber::registry().with(layers).init();
    }
    Ok(())
}

fn lines(log: &LogSettings) -> Result<AnyLayer, ProcessError> {
    let filter = filter(log)?;
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    Ok(if log.json {
        lines.json().with_filter(filter).boxed()
    } else {
        lines
            .with_ansi(io::stderr().is_terminal())
            .with_filter(filter)
            .boxed()
    })
}

/// `RUST_LOG` goes before the settings.
fn filter(log: &LogSettings) -> Result<EnvFilter, ProcessError> {
    let filter = match env::var(EnvFilter::DEFAULT_ENV) {
        Ok(filter) if !filter.is_empty() => filter,
        _ => log.filter.clone(),
    };
    EnvFilter::try_new(&filter).map_err(|source| ProcessError::Filter {
        filter,
        source: source.into(),
    })
}
