//! What goes wrong with a database file, in words for whoever runs it.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rusqlite::{Error, ErrorCode};

use crate::StoreError;

/// Why a transition was not made.
#[derive(Debug, thiserror::Error)]
pub(super) enum DbError {
    #[error("{}", meaning(.0))]
    Sql(#[from] Error),
    #[error("its disk has {free} bytes left, which are kept for the jobs already accepted")]
    NoRoom { free: u64 },
    #[error("it is closed")]
    Closed,
}

/// An error with the file it happened to. Shared, because transitions that share a transaction share its end.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the database {} cannot do it", file.display())]
struct DatabaseError {
    file: PathBuf,
    #[source]
    error: Arc<DbError>,
}

pub(super) fn unavailable(file: &Path, error: Arc<DbError>) -> StoreError {
    let file = file.to_owned();
    StoreError::Unavailable(Box::new(DatabaseError { file, error }))
}

/// What an error means that came while the database was opened.
pub(super) fn at_opening(file: &Path, error: Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(
            ErrorCode::NotADatabase
            | ErrorCode::DatabaseCorrupt
            | ErrorCode::CannotOpen
            | ErrorCode::ReadOnly
            | ErrorCode::PermissionDenied,
        ) => StoreError::Misconfigured(format!(
            "the database {}: {} (SQLite: {error})",
            file.display(),
            meaning(&error)
        )),
        _ => unavailable(file, Arc::new(error.into())),
    }
}

fn meaning(error: &Error) -> &'static str {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => "the disk is full",
        Some(ErrorCode::NotADatabase) => "it is no SQLite database",
        Some(ErrorCode::DatabaseCorrupt) => "it is damaged; move it away, or put a copy of it back",
        Some(ErrorCode::CannotOpen) => "it cannot be opened",
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => "it may not be written",
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => "another program keeps it locked",
        Some(ErrorCode::SystemIoFailure) => "reading or writing it failed",
        _ => "SQLite answers with an error",
    }
}
