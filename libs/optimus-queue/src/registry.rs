//! The registry of workers: who is there, and what each takes.

use async_trait::async_trait;
use optimus_common::{LanguageName, WorkerId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::StoreError;

/// Who works for a store.
#[async_trait]
pub trait WorkerRegistry: Send + Sync + 'static {
    /// Announces a worker; forgotten when it is not repeated for the length of a lease: then nothing is its own any
    /// more, and what it left may be removed.
    async fn heartbeat(&self, worker: &WorkerInfo) -> Result<(), StoreError>;

    /// Takes the announcement back, on a clean exit.
    async fn deregister(&self, worker: &WorkerId) -> Result<(), StoreError>;

    /// Every worker announced and not forgotten.
    async fn workers(&self) -> Result<Vec<WorkerInfo>, StoreError>;
}

/// A worker process as it announces itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkerInfo {
    pub id: WorkerId,
    pub host: String,
    pub pools: Vec<PoolInfo>,
    /// The identity of the content store it reads, where that answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Uuid>,
}

/// One language of a worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PoolInfo {
    pub language: LanguageName,
    /// Jobs at once.
    pub slots: u32,
    pub busy: u32,
    /// Why it takes no jobs at the moment, such as a missing image.
    pub unavailable: Option<String>,
    /// What the toolchain in the box says of its version.
    pub toolchain: Option<String>,
}
