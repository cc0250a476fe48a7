//! The worker's process: flags, logs, signals.

use std::{io, path::PathBuf, process, sync::Arc, time::Duration};

use anyhow::Context;
use clap::Parser;
use optimus_common::{
    WorkerId,
    settings::{Log, Settings},
};
use optimus_queue::{StoreError, redis::RedisStore};
use optimus_sandbox::docker::DockerBackend;
use optimus_worker::{Roster, Worker};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::warn;
use tracing_subscriber::EnvFilter;

/// Claims jobs, runs each in a box of its own, and finishes them.
#[derive(Debug, Parser)]
#[command(version)]
struct Flags {
    /// Languages to serve, separated by commas, or "all".
    #[arg(long, value_name = "NAMES")]
    language: Option<String>,
    /// Jobs at once for each language; 0: what the language itself says.
    #[arg(long, value_name = "NUMBER")]
    concurrency: Option<u32>,
    /// Settings [default: config/optimus.toml where it exists].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where the jobs are.
    #[arg(long, value_name = "URL")]
    redis_url: Option<String>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let flags = Flags::parse();
    let mut settings = Settings::load(flags.config.as_deref())?;
    if let Some(languages) = flags.language {
        settings.worker.languages = languages;
    }
    if let Some(concurrency) = flags.concurrency {
        settings.worker.concurrency = concurrency;
    }
    if let Some(url) = flags.redis_url {
        settings.redis.url = url;
    }
    start_logging(&settings.log)?;
    let shutdown = stop_on_signals()?;

    let roster = Roster::open(&settings)?;
    let id = WorkerId::new();
    let Some(store) = shutdown.run_until_cancelled(connect(&settings)).await else {
        return Ok(());
    };
    let store = store.context("cannot use the job store")?;
    let backend = DockerBackend::connect(&settings.docker, id.clone())
        .await
        .context("cannot use the container engine")?;
    let worker = Worker {
        id,
        settings: Arc::new(settings),
        roster,
        store: Arc::new(store),
        backend: Arc::new(backend),
    };
    worker.run(shutdown).await;
    Ok(())
}

/// Waits for a store that is not there yet. One that is not safe is an error.
async fn connect(settings: &Settings) -> Result<RedisStore, StoreError> {
    loop {
        match RedisStore::connect(&settings.redis, &settings.queue).await {
            Err(error @ StoreError::Unavailable(_)) => {
                warn!(
                    error = &error as &dyn std::error::Error,
                    "waiting for the job store"
                );
                sleep(Duration::from_secs(1)).await;
            }
            settled => return settled,
        }
    }
}

fn start_logging(log: &Log) -> anyhow::Result<()> {
    let filter = std::env::var("RUST_LOG").unwrap_or_else(|_| log.filter.clone());
    let filter = EnvFilter::try_new(&filter).with_context(|| format!("{filter:?} is no log filter"))?;
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr);
    if log.json {
        logs.json().init();
    } else {
        logs.with_ansi(io::IsTerminal::is_terminal(&io::stderr())).init();
    }
    Ok(())
}

/// The first signal asks to leave in peace; the second one leaves at once, and the boxes end with this process.
fn stop_on_signals() -> anyhow::Result<CancellationToken> {
    let shutdown = CancellationToken::new();
    let mut signals = Signals::listen().context("cannot listen for signals")?;
    let asked = shutdown.clone();
    tokio::spawn(async move {
        signals.next().await;
        asked.cancel();
        signals.next().await;
        process::exit(130);
    });
    Ok(shutdown)
}

#[cfg(unix)]
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    #[expect(clippy::unnecessary_wraps, reason = "as on Unix")]
    fn listen() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
