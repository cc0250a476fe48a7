//! What a transition sees of the database while it runs.

use std::cell::RefCell;

use optimus_common::JobId;
use rusqlite::{Connection, OptionalExtension, Params, Row};

use super::{clock::Moment, file::DatabaseFile, hub::News, rules::Rules};
use crate::JobEvent;

/// One transition inside its transaction: time stands still, and what it tells is heard only if it is kept.
#[derive(Debug)]
pub(super) struct Unit<'a> {
    pub(super) db: &'a Connection,
    pub(super) now: Moment,
    pub(super) rules: &'a Rules,
    pub(super) file: &'a DatabaseFile,
    pub(super) news: RefCell<Vec<News>>,
}

impl Unit<'_> {
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

    pub(super) fn tell_work(&self, language: &str) {
        self.news.borrow_mut().push(News::Work(language.to_owned()));
    }

    pub(super) fn tell(&self, event: fn(JobId) -> JobEvent, id: &str) {
        // Only a file changed by hand holds another id; nobody waits for that one.
        if let Ok(id) = id.parse() {
            self.news.borrow_mut().push(News::Event(event(id)));
        }
    }
}
