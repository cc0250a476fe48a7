//! Transitions on their way to the thread that makes them.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::{error::DbError, txn::Txn};

/// A transition on its way.
pub(super) trait Transition: Send {
    fn run(&mut self, txn: &Txn<'_>) -> Result<(), DbError>;
    fn is_abandoned(&self) -> bool;
    fn succeed(self: Box<Self>);
    fn fail(self: Box<Self>, error: Arc<DbError>);
}

/// The caller waits for the answer.
pub(super) struct Pending<T, F> {
    work: F,
    done: Option<T>,
    answer: oneshot::Sender<Result<T, Arc<DbError>>>,
}

impl<T, F> Pending<T, F> {
    pub(super) fn new(work: F, answer: oneshot::Sender<Result<T, Arc<DbError>>>) -> Self {
        Self {
            work,
            done: None,
            answer,
        }
    }
}

impl<T, F> Transition for Pending<T, F>
where
    T: Send,
    F: FnMut(&Txn<'_>) -> Result<T, DbError> + Send,
{
    fn run(&mut self, txn: &Txn<'_>) -> Result<(), DbError> {
        self.done = Some((self.work)(txn)?);
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

    fn fail(self: Box<Self>, error: Arc<DbError>) {
        let _ = self.answer.send(Err(error));
    }
}
