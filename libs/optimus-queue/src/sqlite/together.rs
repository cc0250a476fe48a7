//! Transitions that share a transaction, each in a savepoint of its own.

use std::{
    cell::RefCell,
    panic::{self, AssertUnwindSafe},
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use optimus_common::causes;
use rusqlite::Connection;

use super::{
    hub::News,
    trouble::Fault,
    unit::Unit,
    writer::{Shared, Transition},
};

/// Bounds of one transaction, so that nobody waits long for the others in it.
const MOST_TOGETHER: usize = 256;
const LONGEST_TOGETHER: Duration = Duration::from_millis(10);

/// After this time without work the write-ahead log is moved into the database.
const IDLE: Duration = Duration::from_secs(1);

/// The thread that changes the database.
pub(super) struct Thread {
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
    pub(super) fn new(db: Connection, shared: Arc<Shared>, waiting: Receiver<Box<dyn Transition>>) -> Self {
        Self { db, shared, waiting }
    }

    /// Until nobody can ask any more. A panic is a fault of ours: it costs the transaction that it came in, whose
    /// callers learn that it was not made, and no other.
    pub(super) fn run(self) {
        while panic::catch_unwind(AssertUnwindSafe(|| self.serve())).is_err() {
            tracing::error!("a transition of the job store panicked; its transaction is undone");
            self.roll_back();
        }
    }

    fn serve(&self) {
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
                self.roll_back();
                End::Undone(Arc::new(fault))
            }
        }
    }

    fn roll_back(&self) {
        // Some errors end the transaction by themselves.
        if !self.db.is_autocommit()
            && let Err(error) = self.execute("ROLLBACK")
        {
            tracing::error!(
                error = causes(&error),
                "a transaction of the job store cannot be rolled back"
            );
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
            tracing::warn!(
                error = causes(&error),
                "the write-ahead log of the job store cannot be moved into it yet"
            );
        }
    }
}
