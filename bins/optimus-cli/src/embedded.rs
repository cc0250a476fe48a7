//! All of Optimus in this process: a store in a file, workers for every language, and boxes.
//!
//! `serve` adds the API over it; `grade` hands it jobs directly.

mod flags;
mod language_row;

use std::{
    path::{self, Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, bail};
use optimus_common::WorkerId;
use optimus_content::{ContentStore, Memory, Rules};
use optimus_queue::{ContentPlace, JobStore, open_content_here, sqlite::SqliteStore};
use optimus_worker::{
    Availability, ServedLanguages, Settings, Worker, WorkerMetrics,
    backend::{self, Choice},
};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::{task::JoinHandle, time::sleep};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use crate::{
    exit::{Classify, Failure},
    output::{note, spinner},
};

pub(crate) use self::{
    flags::{Flags, languages_file},
    language_row::{LanguageRow, languages_table},
};

/// The store, in its folder.
const DATABASE: &str = "jobs.sqlite";

/// Longer than this nobody waits without a word, where no terminal shows what is under way.
const SILENCE: Duration = Duration::from_secs(2);

/// How often it is looked whether the worker is still there.
const LOOK: Duration = Duration::from_secs(1);

/// For how long jobs are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Storage {
    /// In the data directory: what was accepted is resumed by the next process.
    Persistent,
    /// In a folder of this process that vanishes with it.
    Ephemeral,
}

/// A running installation of one process.
pub(crate) struct Embedded {
    pub(crate) settings: Arc<Settings>,
    pub(crate) store: Arc<dyn JobStore>,
    /// What jobs name by its digest.
    pub(crate) content: Arc<dyn ContentStore>,
    /// Where boxes come from, why, and which languages can be had.
    pub(crate) choice: Choice,
    /// Where the jobs are.
    pub(crate) database: PathBuf,
    pub(crate) metrics: WorkerMetrics,
    /// What shows them, where the settings say.
    _shown: Option<AbortOnDropHandle<()>>,
    worker: JoinHandle<()>,
    /// Asks the worker to leave.
    leave: CancellationToken,
    /// Removed when it is dropped, after everything else.
    _ephemeral: Option<TempDir>,
}

impl Embedded {
    /// Opens the store, chooses a backend and starts to work.
    pub(crate) async fn start(mut settings: Settings, storage: Storage) -> Result<Self, Failure> {
        let languages = ServedLanguages::open(&settings).usage()?;
        let ephemeral = match storage {
            Storage::Persistent => None,
            Storage::Ephemeral => Some(
                tempfile::Builder::new()
                    .prefix("optimus-")
                    .tempdir()
                    .context("cannot make a folder for the jobs")
                    .system()?,
            ),
        };
        let folder = ephemeral.as_ref().map_or(settings.data_dir.path(), TempDir::path);
        let database = path::absolute(folder).system()?.join(DATABASE);
        let store = SqliteStore::open(&database, &settings.queue)
            .await
            .with_context(|| format!("cannot keep jobs in {}", database.display()))
            .system()?;

        let content: Arc<dyn ContentStore> = match storage {
            Storage::Persistent => open_content_here(ContentPlace {
                content: &settings.content,
                redis: &settings.redis,
                data_dir: settings.data_dir.path(),
            })
            .await
            .context("cannot use the content store")
            .system()?,
            Storage::Ephemeral => Arc::new(Memory::new(Rules::of(&settings.content))),
        };
        settings.docker.scope = scope_of(&settings.docker.scope, &database);
        let id = WorkerId::new();
        // Trying every layer takes a large future.
        let mut choice = Box::pin(backend::choose(&settings, languages.current(), &id))
            .await
            .system()?;
        if storage == Storage::Ephemeral {
            // Whoever brings such jobs waits for their verdicts anyway.
            settle(&mut choice).await;
        }
        let settings = Arc::new(settings);
        let metrics = WorkerMetrics::default();
        let store: Arc<dyn JobStore> = Arc::new(store);
        let worker = Worker {
            id,
            settings: Arc::clone(&settings),
            languages,
            store: Arc::clone(&store),
            content: Arc::clone(&content),
            backend: Arc::clone(&choice.backend),
            availability: match storage {
                Storage::Persistent => Availability::Proved,
                Storage::Ephemeral => Availability::Assumed,
            },
            metrics: metrics.clone(),
        };
        let shown = metrics.listen(&settings.worker).await.usage()?;
        let leave = CancellationToken::new();
        let worker = tokio::spawn(worker.run(leave.clone()));
        Ok(Self {
            settings,
            store,
            content,
            choice,
            database,
            metrics,
            _shown: shown,
            worker,
            leave,
            _ephemeral: ephemeral,
        })
    }

    /// Goes on until it is asked to leave, and leaves. Fails at once where the worker does not last.
    pub(crate) async fn run_until(mut self, asked: impl Future<Output = ()>) -> Result<(), Failure> {
        lasts_until(&mut self.worker, asked).await.system()?;
        self.stop().await
    }

    /// Does what needs the worker. Fails where that does not last: whoever waits for jobs would wait for ever.
    pub(crate) async fn watched<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        watched(&self.worker, work).await
    }

    /// Claims no more, finishes or gives back what is running, and destroys every box.
    pub(crate) async fn stop(self) -> Result<(), Failure> {
        self.leave.cancel();
        self.worker.await.context("the worker broke").system()
    }
}

async fn watched<T>(
    worker: &JoinHandle<()>,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let breaks = async {
        while !worker.is_finished() {
            sleep(LOOK).await;
        }
    };
    tokio::select! {
        biased;
        done = work => done,
        () = breaks => Err(Failure::system("the worker broke")),
    }
}

/// An API without a worker would go on to accept jobs that nobody runs.
async fn lasts_until(worker: &mut JoinHandle<()>, asked: impl Future<Output = ()>) -> anyhow::Result<()> {
    tokio::select! {
        biased;
        () = asked => Ok(()),
        ended = worker => {
            ended.context("the worker broke")?;
            bail!("the worker ended, though nobody had asked it to");
        }
    }
}

/// Waits for languages that are prepared for boxes, and says so: some take minutes.
async fn settle(choice: &mut Choice) {
    const WHAT: &str = "preparing languages for boxes; this is done once";
    let progress = spinner(WHAT);
    let told = async {
        sleep(SILENCE).await;
        if progress.is_hidden() {
            note(WHAT);
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = choice.settle() => {}
        () = told => {}
    }
    progress.finish_and_clear();
}

/// Workers remove the boxes of those whom their store does not know. So boxes on one engine are told apart by store.
fn scope_of(configured: &str, database: &Path) -> String {
    let digest: [u8; 32] = Sha256::digest(database.as_os_str().as_encoded_bytes()).into();
    let [a, b, c, d, ..] = digest;
    format!("{configured}-{a:02x}{b:02x}{c:02x}{d:02x}")
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    #[tokio::test]
    async fn a_worker_that_breaks_is_noticed_at_once() {
        let mut worker = tokio::spawn(async { panic!("as asked for") });
        let error = lasts_until(&mut worker, pending()).await.unwrap_err();
        assert_eq!(error.to_string(), "the worker broke");
        let mut worker = tokio::spawn(ready(()));
        lasts_until(&mut worker, pending()).await.unwrap_err();
        let mut worker = tokio::spawn(pending());
        lasts_until(&mut worker, ready(())).await.unwrap();
    }

    #[tokio::test]
    async fn nobody_waits_for_the_jobs_of_a_worker_that_broke() {
        let worker = tokio::spawn(async { panic!("as asked for") });
        watched(&worker, ready(Ok(()))).await.unwrap();
        let failure = watched(&worker, pending::<Result<(), _>>()).await.unwrap_err();
        assert_eq!(failure.to_string(), "the worker broke");
    }
}
