//! Databases in a folder of the test's own, and results for them.

use std::{
    fs,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use async_trait::async_trait;
use optimus_common::{
    job::Outcome,
    result::{CompileResult, CompileVerdict},
};
use optimus_queue::{
    JobStore,
    conformance::{StoreFactory, jobs::accepted},
    settings::QueueSettings,
    sqlite::SqliteStore,
};
use rusqlite::Connection;
use tempfile::TempDir;

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
