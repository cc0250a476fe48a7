//! `optimus-api`: the HTTP API over Redis.

use std::{io::IsTerminal, path::PathBuf, sync::Arc};

use anyhow::Context;
use clap::Parser;
use optimus_api::App;
use optimus_common::settings::{Log, Settings};
use optimus_queue::redis::RedisStore;
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

/// Serves the HTTP API of Optimus over the jobs in Redis.
#[derive(Debug, Parser)]
#[command(version)]
struct Flags {
    /// The settings file; config/optimus.toml where it exists and this is not given.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The address to listen on.
    #[arg(long)]
    host: Option<String>,
    /// The port to listen on; 0: any free one, which the log names.
    #[arg(long)]
    port: Option<u16>,
    /// Serve an address beyond loopback without tokens: whoever reaches it may run programs here.
    #[arg(long)]
    insecure: bool,
    /// Where Redis is, such as `redis://127.0.0.1:6379`.
    #[arg(long, value_name = "URL")]
    redis_url: Option<String>,
}

impl Flags {
    fn apply(self, settings: &mut Settings) {
        let Self {
            config: _,
            host,
            port,
            insecure,
            redis_url,
        } = self;
        settings.api.allow_anonymous |= insecure;
        settings.api.host = host.unwrap_or_else(|| settings.api.host.clone());
        settings.api.port = port.unwrap_or(settings.api.port);
        settings.redis.url = redis_url.unwrap_or_else(|| settings.redis.url.clone());
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let flags = Flags::parse();
    let mut settings = Settings::load(flags.config.as_deref())?;
    flags.apply(&mut settings);
    start_log(&settings.log)?;
    optimus_api::check_exposure(&settings.api).await?;

    let shutdown = shutdown_signal().context("cannot listen for signals")?;
    let mut shutdown = std::pin::pin!(shutdown);
    let store = tokio::select! {
        store = RedisStore::connect_patiently(&settings.redis, &settings.queue) => store?,
        () = &mut shutdown => return Ok(()),
    };

    let address = (settings.api.host.clone(), settings.api.port);
    let listener = TcpListener::bind(&address)
        .await
        .with_context(|| format!("cannot listen on {}:{}", address.0, address.1))?;
    let app = App::new(Arc::new(store), settings)?;
    tracing::info!(address = %listener.local_addr()?, "listening");
    optimus_api::serve(listener, Arc::new(app), shutdown).await?;
    Ok(())
}

fn start_log(log: &Log) -> anyhow::Result<()> {
    let filter = match std::env::var(EnvFilter::DEFAULT_ENV) {
        Ok(filter) if !filter.is_empty() => filter,
        _ => log.filter.clone(),
    };
    let filter = EnvFilter::try_new(&filter).with_context(|| format!("invalid log filter {filter:?}"))?;
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    if log.json {
        subscriber.json().init();
    } else {
        subscriber.init();
    }
    Ok(())
}

/// Ready at the first SIGTERM or SIGINT. Listens from the call on.
#[cfg(unix)]
fn shutdown_signal() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Ready at the first Ctrl-C.
#[cfg(windows)]
fn shutdown_signal() -> std::io::Result<impl Future<Output = ()>> {
    let mut interrupt = tokio::signal::windows::ctrl_c()?;
    Ok(async move {
        interrupt.recv().await;
    })
}
