//! The worker's process: its flags, and what it is made of.
#![forbid(unsafe_code)]

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use clap::Parser;
use optimus_common::WorkerId;
use optimus_queue::{ContentPlace, Stores};
use optimus_service::Process;
use optimus_worker::{
    Availability, ServedLanguages, Settings, Worker, WorkerMetrics,
    backend::{self, BackendFlag},
};
use tokio_util::sync::CancellationToken;
use tracing::info;

/// Claims jobs, runs each in a box of its own, and finishes them.
#[derive(Debug, Parser)]
#[command(version)]
struct Flags {
    /// Where boxes come from; auto: native where this host offers every layer of isolation, else docker
    /// [default: docker].
    #[arg(long, value_enum)]
    backend: Option<BackendFlag>,
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

fn main() -> anyhow::Result<ExitCode> {
    // Before anything that starts a thread: this program is also the process that makes native boxes.
    #[cfg(target_os = "linux")]
    if let Some(ended) = optimus_sandbox::native::divert(optimus_runner::in_box) {
        return Ok(ended);
    }
    run().map(|()| ExitCode::SUCCESS)
}

#[tokio::main]
async fn run() -> anyhow::Result<()> {
    let flags = Flags::parse();
    let mut settings = Settings::load(flags.config.as_deref())?;
    if let Some(backend) = flags.backend {
        settings.worker.backend = Some(backend.into());
    }
    if let Some(languages) = flags.language {
        settings.worker.languages = languages;
    }
    if let Some(concurrency) = flags.concurrency {
        settings.worker.concurrency = concurrency;
    }
    if let Some(url) = flags.redis_url {
        settings.redis.url = url;
    }
    Process::begin("optimus-worker", Some(&settings.log))?
        .run(|shutdown| work(settings, shutdown))
        .await
}

async fn work(settings: Settings, shutdown: CancellationToken) -> anyhow::Result<()> {
    let metrics = WorkerMetrics::default();
    let _shown = metrics.listen(&settings.worker).await?;
    let languages = ServedLanguages::open(&settings)?;
    let id = WorkerId::new();
    // First what no waiting mends.
    let choosing = Box::pin(backend::choose(&settings, languages.current(), &id));
    let Some(choice) = shutdown.run_until_cancelled(choosing).await else {
        return Ok(());
    };
    let choice = choice?;
    info!(backend = choice.kind.as_str(), why = choice.why, "boxes");
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
    let worker = Worker {
        id,
        settings: Arc::new(settings),
        languages,
        store: stores.jobs,
        content: stores.content,
        backend: Arc::clone(&choice.backend),
        availability: Availability::Proved,
        metrics,
    };
    Box::pin(worker.run(shutdown)).await;
    Ok(())
}
