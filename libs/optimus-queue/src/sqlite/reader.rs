//! The thread that reads, so that looking at a job waits for no disk.

use std::{
    panic::{self, AssertUnwindSafe},
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
    schema,
};
use crate::StoreError;

type Question = Box<dyn FnOnce(&Connection) + Send>;

#[derive(Debug)]
pub(super) struct Reader {
    context: Arc<StoreContext>,
    queue: Option<Sender<Question>>,
    thread: Option<JoinHandle<()>>,
}

impl Reader {
    /// The writer must have opened the database before.
    pub(super) fn start(context: Arc<StoreContext>) -> Result<Self, StoreError> {
        let db = schema::open_reader(context.file.path())?;
        let (queue, waiting) = mpsc::channel::<Question>();
        let thread = thread::Builder::new()
            .name("sqlite-reader".to_owned())
            .spawn(move || {
                for question in waiting {
                    // A panic is a fault of ours, and costs no more than its own answer.
                    if panic::catch_unwind(AssertUnwindSafe(|| question(&db))).is_err() {
                        tracing::error!("a question to the job store panicked");
                    }
                }
            })
            .map_err(|error| StoreError::Unavailable(error.into()))?;
        Ok(Self {
            context,
            queue: Some(queue),
            thread: Some(thread),
        })
    }

    /// All that is asked at once sees one state: the latest on disk.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let asked = Box::new(move |db: &Connection| {
            if !answer.is_closed() {
                // The caller may have left.
                let _ = answer.send(in_one_state(db, question));
            }
        });
        let sent = self.queue.as_ref().is_some_and(|queue| queue.send(asked).is_ok());
        let error = match answered.await {
            Ok(Ok(found)) if sent => return Ok(found),
            Ok(Err(error)) => error.into(),
            Ok(Ok(_)) | Err(_) => DbError::Closed,
        };
        Err(unavailable(self.context.file.path(), Arc::new(error)))
    }
}

fn in_one_state<T>(
    db: &Connection,
    question: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    let state = db.unchecked_transaction()?;
    let found = question(&state)?;
    state.commit()?;
    Ok(found)
}

impl Drop for Reader {
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

    use super::*;
    use crate::{
        notifier::Notifier,
        settings::QueueSettings,
        sqlite::{clock::Clock, file::DatabaseFile, rules::Rules, writer::Writer},
    };

    #[tokio::test]
    async fn a_question_that_panics_silences_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let context = Arc::new(StoreContext {
            file: DatabaseFile::own(&folder.path().join("test.db")).unwrap(),
            rules: Rules::of(&optimus_settings::defaults_of::<QueueSettings>("queue")),
            clock: Clock::start(),
            notifier: Notifier::new(),
        });
        let _writer = Writer::start(Arc::clone(&context)).await.unwrap();
        let reader = Reader::start(context).unwrap();
        let panics = reader.ask(|_| -> rusqlite::Result<()> { panic!("as asked for") });
        panics.await.unwrap_err();
        let count =
            |db: &Connection| db.query_row("SELECT count(*) FROM totals", [], |row| row.get::<_, u64>(0));
        assert_eq!(reader.ask(count).await.unwrap(), 0);
    }
}
