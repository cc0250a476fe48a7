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

use super::{context::StoreContext, error::DbError, pending::Transition, txn::Txn};
use crate::notifier::Notification;

/// Bounds of one transaction, so that nobody waits long for the others in it.
const MAX_GROUP: usize = 256;
const MAX_GROUP_TIME: Duration = Duration::from_millis(10);

/// After this time without work the write-ahead log is moved into the database.
const IDLE: Duration = Duration::from_secs(1);

/// The thread that changes the database.
pub(super) struct WriterThread {
    db: Connection,
    context: Arc<StoreContext>,
    waiting: Receiver<Box<dyn Transition>>,
}

/// How a transaction of several ended.
enum BatchEnd {
    Kept,
    /// All of it was undone, those that had gone well included.
    Undone(Arc<DbError>),
}

impl WriterThread {
    pub(super) fn new(
        db: Connection,
        context: Arc<StoreContext>,
        waiting: Receiver<Box<dyn Transition>>,
    ) -> Self {
        Self { db, context, waiting }
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
        let (mut first, mut made, mut notifications) = (Some(first), Vec::new(), Vec::new());
        match self.transact(|| self.make_group(&mut first, &mut made, &mut notifications)) {
            BatchEnd::Kept => self.succeed(made, notifications),
            // A single one that asks for too much must not take the others with it.
            BatchEnd::Undone(_) if made.len() > 1 => made
                .into_iter()
                .for_each(|transition| self.make_alone(transition)),
            BatchEnd::Undone(error) => first
                .into_iter()
                .chain(made)
                .for_each(|transition| transition.fail(error.clone())),
        }
    }

    fn make_alone(&self, mut transition: Box<dyn Transition>) {
        let mut notifications = Vec::new();
        match self.transact(|| {
            let txn = self.txn();
            transition.run(&txn)?;
            notifications = txn.notifications.into_inner();
            Ok(())
        }) {
            BatchEnd::Kept => self.succeed(vec![transition], notifications),
            BatchEnd::Undone(error) => transition.fail(error),
        }
    }

    fn transact(&self, work: impl FnOnce() -> Result<(), DbError>) -> BatchEnd {
        let attempt = || {
            self.execute("BEGIN IMMEDIATE")?;
            work()?;
            Ok(self.execute("COMMIT")?)
        };
        match attempt() {
            Ok(()) => BatchEnd::Kept,
            Err(error) => {
                self.roll_back();
                BatchEnd::Undone(Arc::new(error))
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
    fn make_group(
        &self,
        first: &mut Option<Box<dyn Transition>>,
        made: &mut Vec<Box<dyn Transition>>,
        notifications: &mut Vec<Notification>,
    ) -> Result<(), DbError> {
        let begun = Instant::now();
        let mut next = first.take();
        while let Some(mut transition) = next {
            if !transition.is_abandoned() {
                let txn = self.txn();
                match self.in_savepoint(&txn, &mut *transition) {
                    Ok(Ok(())) => {
                        notifications.extend(txn.notifications.into_inner());
                        made.push(transition);
                    }
                    Ok(Err(error)) => transition.fail(Arc::new(error)),
                    Err(error) => {
                        made.push(transition);
                        return Err(error);
                    }
                }
            }
            next = (made.len() < MAX_GROUP && begun.elapsed() < MAX_GROUP_TIME)
                .then(|| self.waiting.try_recv().ok())
                .flatten();
        }
        Ok(())
    }

    /// The inner error is the transition's own and has left no trace; the outer one is that of the transaction.
    fn in_savepoint(
        &self,
        txn: &Txn<'_>,
        transition: &mut dyn Transition,
    ) -> Result<Result<(), DbError>, DbError> {
        self.execute("SAVEPOINT transition")?;
        let result = transition.run(txn);
        if let Err(error) = result {
            if self.db.is_autocommit() {
                return Err(error);
            }
            self.execute("ROLLBACK TO transition")?;
            self.execute("RELEASE transition")?;
            return Ok(Err(error));
        }
        self.execute("RELEASE transition")?;
        Ok(Ok(()))
    }

    fn txn(&self) -> Txn<'_> {
        Txn {
            db: &self.db,
            now: self.context.clock.now(),
            rules: &self.context.rules,
            file: &self.context.file,
            notifications: RefCell::default(),
        }
    }

    /// Whoever has an answer finds that what follows from it has happened: that a job is over drops what is told of it later.
    fn succeed(&self, made: Vec<Box<dyn Transition>>, notifications: Vec<Notification>) {
        for notification in notifications {
            self.context.notifier.notify(notification);
        }
        for transition in made {
            transition.succeed();
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
