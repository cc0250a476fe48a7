//! What each process of a fleet begins with.

use std::{fmt, sync::Arc};

use optimus_content::{ContentError, ContentStore};

use crate::{
    ContentPlace, JobStore, StoreError, content::open_content, redis::RedisStore, settings::QueueSettings,
};

/// The stores that the processes of a fleet share.
pub struct Stores {
    pub jobs: Arc<dyn JobStore>,
    pub content: Arc<dyn ContentStore>,
}

impl fmt::Debug for Stores {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Stores").finish_non_exhaustive()
    }
}

/// Which of the stores cannot be used, and why.
#[derive(Debug, thiserror::Error)]
pub enum StoresError {
    #[error("cannot use the job store")]
    Jobs(#[source] StoreError),
    #[error("cannot use the content store")]
    Content(#[source] ContentError),
}

impl Stores {
    /// Waits for a store of jobs that is not reachable.
    pub async fn open(queue: &QueueSettings, content: ContentPlace<'_>) -> Result<Self, StoresError> {
        let jobs = RedisStore::connect_when_reachable(content.redis, queue)
            .await
            .map_err(StoresError::Jobs)?;
        let content = open_content(content).await.map_err(StoresError::Content)?;
        Ok(Self {
            jobs: Arc::new(jobs),
            content,
        })
    }
}
