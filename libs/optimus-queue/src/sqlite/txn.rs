//! What a transition sees of the database while it runs.

use std::cell::RefCell;

use optimus_common::{FencingToken, JobId};
use rusqlite::{Connection, OptionalExtension, Params, Row};

use super::{clock::Moment, file::DatabaseFile, rules::Rules};
use crate::{JobEvent, notifier::Notification};

/// One transition inside its transaction: time stands still, and what it tells is heard only if it is kept.
#[derive(Debug)]
pub(super) struct Txn<'a> {
    pub(super) db: &'a Connection,
    pub(super) now: Moment,
    pub(super) rules: &'a Rules,
    pub(super) file: &'a DatabaseFile,
    pub(super) notifications: RefCell<Vec<Notification>>,
}

impl Txn<'_> {
    /// Answers how many rows were changed.
    pub(super) fn run(&self, statement: &str, values: impl Params) -> rusqlite::Result<usize> {
        self.db.prepare_cached(statement)?.execute(values)
    }

    /// The first row, where there is one.
    pub(super) fn first<T>(
        &self,
        statement: &str,
        values: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Option<T>> {
        self.db
            .prepare_cached(statement)?
            .query_row(values, read)
            .optional()
    }

    pub(super) fn all<T>(
        &self,
        statement: &str,
        values: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Vec<T>> {
        self.db
            .prepare_cached(statement)?
            .query_map(values, read)?
            .collect()
    }

    pub(super) fn notify_work(&self, language: &str) {
        self.notifications
            .borrow_mut()
            .push(Notification::Work(language.to_owned()));
    }

    pub(super) fn notify(&self, event: fn(JobId) -> JobEvent, id: &str) {
        self.notify_of(id, |id| Notification::Event(event(id)));
    }

    pub(super) fn notify_leased(&self, id: &str, token: FencingToken) {
        self.notify_of(id, |id| Notification::Leased(id, token));
    }

    pub(super) fn notify_given_back(&self, id: &str) {
        self.notify_of(id, Notification::GivenBack);
    }

    fn notify_of(&self, id: &str, notification: impl FnOnce(JobId) -> Notification) {
        // Only a file changed by hand holds another id; nobody waits for that one.
        if let Ok(id) = id.parse() {
            self.notifications.borrow_mut().push(notification(id));
        }
    }
}
