//! The store as a whole: its parts, in the order in which they start.

use std::{path::Path, sync::Arc, time::Duration};

use super::{
    clock::Clock,
    context::StoreContext,
    file::DatabaseFile,
    reader::Reader,
    rules::Rules,
    transitions::{self, LeaseScope},
    writer::Writer,
};
use crate::{StoreError, local_workers::LocalWorkers, notifier::Notifier, settings::QueueSettings};

/// Jobs in one SQLite database, which is this store's own as long as it lives.
#[derive(Debug)]
pub struct SqliteStore {
    // Closed in this order: the last connection leaves one file, without a log.
    pub(super) reader: Arc<Reader>,
    pub(super) writer: Writer,
    pub(super) workers: LocalWorkers,
    /// How long a worker may be silent.
    pub(super) lease: Duration,
    pub(super) context: Arc<StoreContext>,
}

impl SqliteStore {
    /// Opens the database, or makes it, with its folder, for this user alone. What ran when its last owner ended goes
    /// back to its queue: an attempt, since it may have been the job that ended it.
    ///
    /// Fails with [`StoreError::Misconfigured`] where another store, of this process or any other, has it open, where
    /// a newer version wrote it, and where the file is no such database or may not be used.
    pub async fn open(path: &Path, queue: &QueueSettings) -> Result<Self, StoreError> {
        let context = Arc::new(StoreContext {
            file: DatabaseFile::own(path)?,
            rules: Rules::of(queue),
            clock: Clock::start(),
            notifier: Notifier::new(),
        });
        let writer = Writer::start(context.clone()).await?;
        let mut requeued = 0;
        loop {
            let (taken_back, more) = writer.make(|txn| transitions::reap(txn, LeaseScope::All)).await?;
            requeued += taken_back.requeued;
            if !more {
                break;
            }
        }
        if requeued > 0 {
            tracing::info!(requeued, "jobs of the process before are queued again");
        }
        Ok(Self {
            reader: Arc::new(Reader::start(context.clone())?),
            writer,
            workers: LocalWorkers::default(),
            lease: queue.lease,
            context,
        })
    }
}
