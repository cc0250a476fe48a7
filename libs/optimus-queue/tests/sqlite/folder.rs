//! Databases in a folder of the test's own, and jobs for them.

use std::{
    fs,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use optimus_common::{
    JobId, LanguageName, WorkerId,
    job::{JobStatus, Outcome},
    result::{CompileResult, CompileVerdict, JobResult, OverallStatus, Verdict},
    submission::Submission,
};
use optimus_queue::{
    Claim, JobQueue, JobStore, NewJob, Submitted, conformance::StoreFactory, settings::QueueSettings,
    sqlite::SqliteStore,
};
use rusqlite::Connection;
use serde_json::json;
use tempfile::TempDir;

/// Longer than any machine needs for what these tests wait for.
pub(crate) const TIMEOUT: Duration = Duration::from_mins(1);

/// Gone when it is dropped.
pub(crate) struct Folder {
    folder: TempDir,
    stores: AtomicU32,
}

impl Folder {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
            stores: AtomicU32::new(0),
        }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// Where most tests have their database.
    pub(crate) fn database(&self) -> PathBuf {
        self.folder.path().join("data").join("optimus.db")
    }

    /// Of the database and its log.
    pub(crate) fn bytes_on_disk(&self) -> u64 {
        let length = |path: PathBuf| fs::metadata(path).map_or(0, |file| file.len());
        length(self.database()) + length(self.database().with_extension("db-wal"))
    }

    pub(crate) async fn store(&self, queue: &QueueSettings) -> SqliteStore {
        SqliteStore::open(&self.database(), queue).await.expect("a store")
    }

    /// As a person would look into the database.
    pub(crate) fn look(&self) -> Connection {
        Connection::open(self.database()).unwrap()
    }
}

#[async_trait]
impl StoreFactory for Folder {
    async fn open(&self, queue: &QueueSettings) -> Arc<dyn JobStore> {
        let name = format!("{}.db", self.stores.fetch_add(1, Ordering::Relaxed));
        let store = SqliteStore::open(&self.folder.path().join(name), queue).await;
        Arc::new(store.expect("a store"))
    }
}

pub(crate) fn queue() -> QueueSettings {
    optimus_settings::defaults_of::<QueueSettings>("queue")
}

pub(crate) fn python() -> LanguageName {
    "python".parse().unwrap()
}

pub(crate) fn worker() -> WorkerId {
    WorkerId::from("w1".to_owned())
}

pub(crate) fn job_of(source: &str) -> NewJob {
    let submission: Submission = serde_json::from_value(json!({
        "language": "python",
        "source_code": source,
        "test_cases": [{"id": 1, "input": "", "expected_output": ""}],
    }))
    .unwrap();
    NewJob::new(submission)
}

pub(crate) async fn submit(store: &SqliteStore) -> JobId {
    let job = job_of("pass");
    let id = job.id;
    assert_eq!(store.submit(job).await.unwrap(), Submitted::Created);
    id
}

pub(crate) async fn claim(store: &SqliteStore) -> Claim {
    store
        .claim(&python(), &worker())
        .await
        .unwrap()
        .expect("a job is due")
}

/// A graded result of about so many bytes.
pub(crate) fn accepted_with(bytes: usize) -> Outcome {
    let Outcome::Completed(mut result) = accepted() else {
        unreachable!()
    };
    result.compile = Some(CompileResult {
        stdout_truncated: false,
        stderr_truncated: false,
        verdict: CompileVerdict::Ok,
        stdout: "x".repeat(bytes),
        stderr: String::new(),
        execution_time_ms: 1,
        cpu_time_ms: 1,
        peak_memory_bytes: 1,
        message: None,
        evidence: None,
    });
    Outcome::Completed(result)
}

pub(crate) fn accepted() -> Outcome {
    Outcome::Completed(JobResult {
        score: Some(1.0),
        passed_tests: 1,
        ..JobResult::not_graded(OverallStatus::Success, Verdict::Accepted, 1)
    })
}

pub(crate) async fn status(store: &SqliteStore, id: JobId) -> JobStatus {
    store.get(id).await.unwrap().expect("the job is known").status
}

/// The error and all its causes, as a log shows them.
pub(crate) fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
