//! Logs: events of `tracing` on standard error, beside what becomes of its spans.

use std::{
    env,
    io::{self, IsTerminal},
};

use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{LevelFilter, ParseError},
    layer::SubscriberExt,
    registry::Registry,
    util::SubscriberInitExt,
};

use crate::{LogSettings, error::ProcessError, telemetry::Telemetry};

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
    read(&filter).map_err(|source| ProcessError::Filter {
        filter,
        source: source.into(),
    })
}

/// As it is written, but where everything is asked for from `info` on and nothing is said of it: without what a client of an object
/// store says of each question that it asks again, which is several lines a second for as long as that store is away.
fn read(text: &str) -> Result<EnvFilter, ParseError> {
    const TALKATIVE: &str = "object_store";
    let filter = EnvFilter::try_new(text)?;
    if filter.max_level_hint() == Some(LevelFilter::INFO) && !text.contains(TALKATIVE) {
        return EnvFilter::try_new(format!("{text},{TALKATIVE}=warn"));
    }
    Ok(filter)
}

#[cfg(test)]
mod tests {
    use tracing::{Level, enabled, subscriber::with_default};

    use super::*;

    /// Whether retries of an object store's client are told of, what it warns of, and what else there is.
    fn told(filter: &str) -> [bool; 3] {
        with_default(tracing_subscriber::registry().with(read(filter).unwrap()), || {
            [
                enabled!(target: "object_store::client::retry", Level::INFO),
                enabled!(target: "object_store::client::retry", Level::WARN),
                enabled!(target: "optimus_api", Level::INFO),
            ]
        })
    }

    #[test]
    fn an_outage_of_an_object_store_is_not_told_at_each_retry() {
        assert_eq!(told("info"), [false, true, true]);
        assert_eq!(told("info,optimus_queue=warn"), [false, true, true]);
        assert_eq!(told("error"), [false, false, false]);
        for asked_for in ["debug", "info,object_store=info"] {
            assert_eq!(told(asked_for), [true, true, true], "{asked_for}");
        }
        assert!(read("info,x=loud").is_err());
    }
}
