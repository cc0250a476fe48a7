//! The one thread that changes the database.

use std::{
    cell::RefCell,
    sync::{
        Arc,
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::{
    clock::Clock,
    file::DatabaseFile,
    hub::{Hub, News},
    rules::Rules,
    schema,
    trouble::{Fault, unavailable},
    unit::Unit,
};
use crate::StoreError;

/// Bounds of one transaction, so that nobody waits long for the others in it.
const MOST_TOGETHER: usize = 256;
const LONGEST_TOGETHER: Duration = Duration::from_millis(10);

/// After this time without work the write-ahead log is moved into the database.
const IDLE: Duration = Duration::from_secs(1);

/// What all transitions go by.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) file: DatabaseFile,
    pub(super) rules: Rules,
    pub(super) clock: Clock,
    pub(super) hub: Hub,
}

/// Runs transitions one after the other. When it is dropped, those that wait are made, and the file is closed.
#[derive(Debug)]
pub(super) struct Writer {
    shared: Arc<Shared>,
    queue: Option<Sender<Box<dyn Transition>>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Opens the database, brings it to the latest format, and starts.
    pub(super) async fn start(shared: Arc<Shared>) -> Result<Self, StoreError> {
        let (queue, waiting) = mpsc::channel();
        let (opened, ready) = oneshot::channel();
        let thread = {
            let shared = shared.clone();
            let run = move || match schema::open_writer(shared.file.path()) {
                Ok(db) => {
                    // Whoever opens may have given up; then the queue is closed as well.
                    let _ = opened.send(Ok(()));
                    Thread { db, shared, waiting }.run();
                }
                Err(error) => drop(opened.send(Err(error))),
            };
            thread::Builder::new()
                .name("sqlite-writer".to_owned())
                .spawn(run)
                .map_err(|error| StoreError::Unavailable(error.into()))?
        };
        let writer = Self {
            shared,
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
        work: impl FnMut(&Unit<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let transition = Box::new(Pending {
            work,
            done: None,
            answer,
        });
        let sent = self
            .queue
            .as_ref()
            .is_some_and(|queue| queue.send(transition).is_ok());
        if !sent {
            return Err(self.closed());
        }
        match answered.await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(fault)) => Err(unavailable(self.shared.file.path(), fault)),
            Err(_gone) => Err(self.closed()),
        }
    }

    fn closed(&self) -> StoreError {
        unavailable(self.shared.file.path(), Arc::new(Fault::Closed))
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

/// A transition on its way.
trait Transition: Send {
    fn run(&mut self, unit: &Unit<'_>) -> Result<(), Fault>;
    fn is_abandoned(&self) -> bool;
    fn succeed(self: Box<Self>);
    fn fail(self: Box<Self>, fault: Arc<Fault>);
}

struct Pending<T, F> {
    work: F,
    done: Option<T>,
    answer: oneshot::Sender<Result<T, Arc<Fault>>>,
}

impl<T, F> Transition for Pending<T, F>
where
    T: Send,
    F: FnMut(&Unit<'_>) -> Result<T, Fault> + Send,
{
    fn run(&mut self, unit: &Unit<'_>) -> Result<(), Fault> {
        self.done = Some((self.work)(unit)?);
        Ok(())
    }

    fn is_abandoned(&self) -> bool {
        self.answer.is_closed()
    }

    fn succeed(self: Box<Self>) {
        if let Some(done) = self.done {
            // The caller may have left.
            let _ = self.answer.send(Ok(done));
        }
    }

    fn fail(self: Box<Self>, fault: Arc<Fault>) {
        let _ = self.answer.send(Err(fault));
    }
}

struct Thread {
    db: Connection,
    shared: Arc<Shared>,
    waiting: Receiver<Box<dyn Transition>>,
}

/// How a transaction of several ended.
enum End {
    Kept,
    /// All of it was undone, those that had gone well included.
    Undone(Arc<Fault>),
}

impl Thread {
    fn run(self) {
        let mut logged = false;
        loop {
            let next = if logged {
                self.waiting.recv_timeout(IDLE)
            } else {
                self.waiting.recv().map_err(RecvTimeoutError::from)
            };
            match next {
                Ok(first) => {
                    self.make(first);
                    logged = true;
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.checkpoint();
                    logged = false;
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Makes this transition, and with it those that have come meanwhile.
    fn make(&self, first: Box<dyn Transition>) {
        let (mut first, mut made, mut news) = (Some(first), Vec::new(), Vec::new());
        match self.transact(|| self.make_together(&mut first, &mut made, &mut news)) {
            End::Kept => self.succeed(made, news),
            // A single one that asks for too much must not take the others with it.
            End::Undone(_) if made.len() > 1 => made
                .into_iter()
                .for_each(|transition| self.make_alone(transition)),
            End::Undone(fault) => first
                .into_iter()
                .chain(made)
                .for_each(|transition| transition.fail(fault.clone())),
        }
    }

    fn make_alone(&self, mut transition: Box<dyn Transition>) {
        let mut news = Vec::new();
        match self.transact(|| {
            let unit = self.unit();
            transition.run(&unit)?;
            news = unit.news.into_inner();
            Ok(())
        }) {
            End::Kept => self.succeed(vec![transition], news),
            End::Undone(fault) => transition.fail(fault),
        }
    }

    fn transact(&self, work: impl FnOnce() -> Result<(), Fault>) -> End {
        let attempt = || {
            self.execute("BEGIN IMMEDIATE")?;
            work()?;
            Ok(self.execute("COMMIT")?)
        };
        match attempt() {
            Ok(()) => End::Kept,
            Err(fault) => {
                // Some errors end the transaction by themselves.
                if !self.db.is_autocommit()
                    && let Err(error) = self.execute("ROLLBACK")
                {
                    tracing::error!(%error, "a transaction of the job store cannot be rolled back");
                }
                End::Undone(Arc::new(fault))
            }
        }
    }

    /// Fails only where the whole transaction is lost; then `made` holds all that had a part in it.
    fn make_together(
        &self,
        first: &mut Option<Box<dyn Transition>>,
        made: &mut Vec<Box<dyn Transition>>,
        news: &mut Vec<News>,
    ) -> Result<(), Fault> {
        let begun = Instant::now();
        let mut next = first.take();
        while let Some(mut transition) = next {
            if !transition.is_abandoned() {
                let unit = self.unit();
                match self.in_savepoint(&unit, &mut *transition) {
                    Ok(Ok(())) => {
                        news.extend(unit.news.into_inner());
                        made.push(transition);
                    }
                    Ok(Err(fault)) => transition.fail(Arc::new(fault)),
                    Err(fault) => {
                        made.push(transition);
                        return Err(fault);
                    }
                }
            }
            next = (made.len() < MOST_TOGETHER && begun.elapsed() < LONGEST_TOGETHER)
                .then(|| self.waiting.try_recv().ok())
                .flatten();
        }
        Ok(())
    }

    /// The inner error is the transition's own and has left no trace; the outer one is that of the transaction.
    fn in_savepoint(
        &self,
        unit: &Unit<'_>,
        transition: &mut dyn Transition,
    ) -> Result<Result<(), Fault>, Fault> {
        self.execute("SAVEPOINT transition")?;
        let result = transition.run(unit);
        if let Err(fault) = result {
            if self.db.is_autocommit() {
                return Err(fault);
            }
            self.execute("ROLLBACK TO transition")?;
            self.execute("RELEASE transition")?;
            return Ok(Err(fault));
        }
        self.execute("RELEASE transition")?;
        Ok(Ok(()))
    }

    fn unit(&self) -> Unit<'_> {
        Unit {
            db: &self.db,
            now: self.shared.clock.now(),
            rules: &self.shared.rules,
            file: &self.shared.file,
            news: RefCell::default(),
        }
    }

    fn succeed(&self, made: Vec<Box<dyn Transition>>, news: Vec<News>) {
        for transition in made {
            transition.succeed();
        }
        for news in news {
            self.shared.hub.tell(news);
        }
    }

    fn execute(&self, statement: &str) -> rusqlite::Result<()> {
        self.db.prepare_cached(statement)?.execute([]).map(drop)
    }

    /// Leaves little to read at the next opening, and lets the file shrink after pages were given back.
    fn checkpoint(&self) {
        let outcome = self
            .db
            .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        if let Err(error) = outcome {
            tracing::warn!(%error, "the write-ahead log of the job store cannot be moved into it yet");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use optimus_common::settings::Settings;
    use tempfile::TempDir;
    use tokio::task::JoinHandle;

    use super::*;

    const NOTE: &str = "INSERT INTO totals VALUES ('note', ?1, '', 1)";

    async fn start(folder: &TempDir) -> Arc<Writer> {
        let shared = Shared {
            file: DatabaseFile::own(&folder.path().join("test.db")).unwrap(),
            rules: Rules::of(&Settings::defaults().queue),
            clock: Clock::start(),
            hub: Hub::new(),
        };
        Arc::new(Writer::start(Arc::new(shared)).await.unwrap())
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
        tokio::spawn(async move { writer.make(move |unit| Ok(unit.run(NOTE, [&name])?)).await })
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
            .make(move |unit| Ok(unit.all(names, [], |row| row.get(0))?))
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
                    .make(|unit| {
                        unit.run(NOTE, ["never"])?;
                        // As SQLite itself does on a full disk.
                        unit.run("ROLLBACK", [])?;
                        Err::<(), _>(Fault::NoRoom { free: 0 })
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
