//! `optimus-api`: the HTTP API over Redis.
#![forbid(unsafe_code)]

use std::{path::PathBuf, sync::Arc};

use anyhow::Context;
use clap::Parser;
use optimus_api::{App, Settings};
use optimus_queue::{ContentPlace, Stores};
use optimus_service::Process;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

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
    Process::begin("optimus-api", Some(&settings.log))?
        .run(|shutdown| serve(settings, shutdown))
        .await
}

async fn serve(settings: Settings, shutdown: CancellationToken) -> anyhow::Result<()> {
    optimus_api::check_exposure(&settings.api).await?;
    let opening = Stores::open(
        &settings.queue,
        ContentPlace {
            content: &settings.content,
            redis: &settings.redis,
            data_dir: settings.data_dir.path(),
        },
    );
    let Some(stores) = shutdown.run_until_cancelled(opening).await else {
        return Ok(());
    };
    let stores = stores?;

    let address = (settings.api.host.clone(), settings.api.port);
    let listener = TcpListener::bind(&address)
        .await
        .with_context(|| format!("cannot listen on {}:{}", address.0, address.1))?;
    let app = App::new(stores.jobs, stores.content, settings)?;
    tracing::info!(address = %listener.local_addr()?, "listening");
    optimus_api::serve(listener, Arc::new(app), shutdown.cancelled_owned()).await?;
    Ok(())
}
