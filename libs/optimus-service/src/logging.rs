//! Logs: events of `tracing` on standard error.

use std::{
    env,
    io::{self, IsTerminal},
};

use optimus_common::settings::Log;
use tracing_subscriber::{
    EnvFilter, Layer, layer::SubscriberExt, registry::Registry, util::SubscriberInitExt,
};

use crate::ProcessError;

/// Logs to standard error from here on.
pub fn start(log: &Log) -> Result<(), ProcessError> {
    tracing_subscriber::registry().with(lines(log)?).init();
    Ok(())
}

fn lines(log: &Log) -> Result<impl Layer<Registry> + use<>, ProcessError> {
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
fn filter(log: &Log) -> Result<EnvFilter, ProcessError> {
    let filter = match env::var(EnvFilter::DEFAULT_ENV) {
        Ok(filter) if !filter.is_empty() => filter,
        _ => log.filter.clone(),
    };
    EnvFilter::try_new(&filter).map_err(|source| ProcessError::Filter {
        filter,
        source: source.into(),
    })
}
