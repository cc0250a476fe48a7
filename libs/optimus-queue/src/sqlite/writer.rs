//! How the one thread that changes the database is asked.

use std::{
    path::Path,
    sync::{
        Arc,
        mpsc::{self, Sender},
    },
    thread::{self, JoinHandle},
};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::{
    context::StoreContext,
    error::{DbError, unavailable},
    group_commit::WriterThread,
    pending::{Pending, Transition},
    schema,
    txn::Txn,
};
use crate::StoreError;

/// Runs transitions one after the other. When it is dropped, those that wait are made, and the file is closed.
#[derive(Debug)]
pub(super) struct Writer {
    context: Arc<StoreContext>,
    queue: Option<Sender<Box<dyn Transition>>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Opens the database, brings it to the latest format, and starts.
    pub(super) async fn start(context: Arc<StoreContext>) -> Result<Self, StoreError> {
        Self::start_with(context, schema::open_writer).await
    }

    pub(super) async fn start_with(
        context: Arc<StoreContext>,
        open: impl FnOnce(&Path) -> Result<Connection, StoreError> + Send + 'static,
    ) -> Result<Self, StoreError> {
        let (queue, waiting) = mpsc::channel();
        let (opened, ready) = oneshot::channel();
        let thread = {
            let context = context.clone();
            let run = move || match open(context.file.path()) {
                Ok(db) => {
                    // Whoever opens may have given up; then the queue is closed as well.
                    let _ = opened.send(Ok(()));
                    WriterThread::new(db, context, waiting).run();
                }
                Err(error) => drop(opened.send(Err(error))),
            };
            thread::Builder::new()
                .name("sqlite-writer".to_owned())
                .spawn(run)
                .map_err(|error| StoreError::Unavailable(error.into()))?
        };
        let writer = Self {
            context,
            queue: Some(queue),
            thread: Some(thread),
        };
        ready.await.unwrap_or_else(|_gone| Err(writer.closed()))?;
        Ok(writer)
    }

    /// Makes one transition, wholly or not at all, and answers when it is on disk. It may be run more than once
    /// before that, each time on what was before the first. It is not made where the caller left before it began.
    pub(super) async fn make<T: Send + 'static>(
        &self,
        work: impl FnMut(&Txn<'_>) -> Result<T, DbError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let transition = Box::new(Pending::new(work, answer));
        let sent = self
            .queue
            .as_ref()
            .is_some_and(|queue| queue.send(transition).is_ok());
        if !sent {
            return Err(self.closed());
        }
        match answered.await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) => Err(unavailable(self.context.file.path(), error)),
            Err(_gone) => Err(self.closed()),
        }
    }

    /// Also where a panic has lost the transaction.
    fn closed(&self) -> StoreError {
        unavailable(self.context.file.path(), Arc::new(DbError::Closed))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // It panicked where this fails, and has said so.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;
    use tokio::task::JoinHandle;

    use super::*;
    use crate::{
        notifier::Notifier,
        settings::QueueSettings,
        sqlite::{clock::Clock, file::DatabaseFile, rules::Rules},
    };

    const NOTE: &str = "INSERT INTO totals VALUES ('note', ?1, '', 1)";

    async fn start(folder: &TempDir) -> Arc<Writer> {
        let context = StoreContext {
            file: DatabaseFile::own(&folder.path().join("test.db")).unwrap(),
            rules: Rules::of(&optimus_settings::defaults_of::<QueueSettings>("queue")),
            clock: Clock::start(),
            notifier: Notifier::new(),
        };
        Arc::new(Writer::start(Arc::new(context)).await.unwrap())
    }

    /// Keeps the thread busy until the sender is dropped.
    fn keep_busy(writer: &Arc<Writer>) -> Sender<()> {
        let (release, released) = mpsc::channel::<()>();
        let writer = writer.clone();
        tokio::spawn(async move {
            writer
                .make(move |_| {
                    let _ = released.recv();
                    Ok(())
                })
                .await
        });
        release
    }

    fn note(writer: &Arc<Writer>, name: String) -> JoinHandle<Result<usize, StoreError>> {
        let writer = writer.clone();
        tokio::spawn(async move { writer.make(move |txn| Ok(txn.run(NOTE, [&name])?)).await })
    }

    /// Lets every task go as far as it can by itself: with one thread for all tasks, each had a turn then.
    async fn all_have_asked() {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }

    async fn notes(writer: &Writer) -> Vec<String> {
        let names = "SELECT language FROM totals WHERE name = 'note' ORDER BY language";
        writer
            .make(move |txn| Ok(txn.all(names, [], |row| row.get(0))?))
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn what_comes_while_the_thread_is_busy_shares_a_transaction() {
        let folder = tempfile::tempdir().unwrap();
        let writer = start(&folder).await;
        let logged = || fs::metadata(folder.path().join("test.db-wal")).unwrap().len();
        let before = logged();
        let busy = keep_busy(&writer);
        let asked: Vec<_> = (0..200).map(|i| note(&writer, i.to_string())).collect();
        all_have_asked().await;
        drop(busy);
        for answer in asked {
            answer.await.unwrap().unwrap();
        }
        assert_eq!(notes(&writer).await.len(), 200);
        // Each transaction logs at least the page that it changed.
        let pages = (logged() - before) / 4096;
        assert!(pages < 50, "{pages} pages");
    }

    #[tokio::test]
    async fn one_that_loses_the_transaction_takes_no_other_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let writer = start(&folder).await;
        let busy = keep_busy(&writer);
        let before = note(&writer, "before".to_owned());
        let loses = {
            let writer = writer.clone();
            tokio::spawn(async move {
                writer
                    .make(|txn| {
                        txn.run(NOTE, ["never"])?;
                        // As SQLite itself does on a full disk.
                        txn.run("ROLLBACK", [])?;
                        Err::<(), _>(DbError::NoRoom { free: 0 })
                    })
                    .await
            })
        };
        let after = note(&writer, "after".to_owned());
        all_have_asked().await;
        drop(busy);
        loses.await.unwrap().unwrap_err();
        before.await.unwrap().unwrap();
        after.await.unwrap().unwrap();
        assert_eq!(notes(&writer).await, ["after", "before"]);
    }

    #[tokio::test]
    async fn one_that_fails_leaves_no_trace() {
        let folder = tempfile::tempdir().unwrap();
        let writer = start(&folder).await;
        let busy = keep_busy(&writer);
        let before = note(&writer, "twice".to_owned());
        let fails = note(&writer, "twice".to_owned());
        let after = note(&writer, "after".to_owned());
        all_have_asked().await;
        drop(busy);
        before.await.unwrap().unwrap();
        fails.await.unwrap().unwrap_err();
        after.await.unwrap().unwrap();
        assert_eq!(notes(&writer).await, ["after", "twice"]);
    }

    #[tokio::test]
    async fn one_that_panics_is_undone_and_others_come_after_it() {
        let folder = tempfile::tempdir().unwrap();
        let writer = start(&folder).await;
        let busy = keep_busy(&writer);
        let panics = {
            let writer = writer.clone();
            tokio::spawn(async move {
                writer
                    .make(|txn| -> Result<(), DbError> {
                        txn.run(NOTE, ["never"])?;
                        panic!("as asked for")
                    })
                    .await
            })
        };
        all_have_asked().await;
        drop(busy);
        panics.await.unwrap().unwrap_err();
        note(&writer, "after".to_owned()).await.unwrap().unwrap();
        assert_eq!(notes(&writer).await, ["after"]);
    }

    #[tokio::test]
    async fn what_nobody_waits_for_any_more_is_not_begun() {
        let folder = tempfile::tempdir().unwrap();
        let writer = start(&folder).await;
        let busy = keep_busy(&writer);
        let (abandoned, awaited) = (
            note(&writer, "left".to_owned()),
            note(&writer, "stayed".to_owned()),
        );
        all_have_asked().await;
        abandoned.abort();
        all_have_asked().await;
        drop(busy);
        awaited.await.unwrap().unwrap();
        assert_eq!(notes(&writer).await, ["stayed"]);
    }
}
