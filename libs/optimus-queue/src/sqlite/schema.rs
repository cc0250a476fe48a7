//! The format of the database, and how an older one is brought up to it.

use std::{path::Path, time::Duration};

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::error::at_opening;
use crate::StoreError;

/// Applied in order; `PRAGMA user_version` counts those that were. Never changed, only added to.
pub(super) const MIGRATIONS: [&str; 3] = [
    include_str!("schema/1.sql"),
    include_str!("schema/2.sql"),
    include_str!("schema/3.sql"),
];

/// As the first migration writes it.
const APPLICATION_ID: i64 = 0x4f70_7469;

/// How long a program that looks into the database may keep it locked.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Enough for every statement of the store.
const STATEMENTS: usize = 64;

/// The connection that writes, the database being of the latest format.
pub(super) fn open_writer(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let at_opening = |error| at_opening(path, error);
    let mut db = connect(path, flags).map_err(at_opening)?;
    check(path, &db, MIGRATIONS.len())?;
    configure(&db).map_err(at_opening)?;
    migrate(&mut db, &MIGRATIONS).map_err(at_opening)?;
    Ok(db)
}

/// A connection that only reads. The database must have been opened for writing before.
pub(super) fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    connect(path, flags).map_err(|error| at_opening(path, error))
}

fn connect(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let db = Connection::open_with_flags(path, flags)?;
    db.busy_timeout(BUSY_TIMEOUT)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(db)
}

fn configure(db: &Connection) -> rusqlite::Result<()> {
    // In a new file only; before anything is written to it.
    db.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    db.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    db.execute_batch(
        "PRAGMA synchronous = FULL;
         -- For macOS, where less does not reach the disk; nothing elsewhere.
         PRAGMA fullfsync = ON;
         PRAGMA checkpoint_fullfsync = ON;
         PRAGMA foreign_keys = ON;
         PRAGMA cache_size = -16384;",
    )?;
    // Bytes the write-ahead log keeps after a checkpoint; it grows with a large submission.
    db.query_row("PRAGMA journal_size_limit = 16777216", [], |_| Ok(()))
}

/// Refuses a database of a newer version and one of somebody else.
fn check(path: &Path, db: &Connection, latest: usize) -> Result<(), StoreError> {
    let number = |sql| {
        db.query_row(sql, [], |row| row.get::<_, i64>(0))
            .map_err(|error| at_opening(path, error))
    };
    let version = number("PRAGMA user_version")?;
    let application = number("PRAGMA application_id")?;
    let tables = number("SELECT COUNT(*) FROM sqlite_schema")?;
    if application != APPLICATION_ID && (application != 0 || version != 0 || tables != 0) {
        return Err(StoreError::Misconfigured(format!(
            "{} is a database of another program; use another data directory",
            path.display()
        )));
    }
    if usize::try_from(version).is_ok_and(|version| version <= latest) {
        return Ok(());
    }
    Err(StoreError::Misconfigured(format!(
        "the database {} has format {version}, and this version of Optimus knows none above {latest}; use the newer \
         version that wrote it, or another data directory",
        path.display()
    )))
}

pub(super) fn migrate(db: &mut Connection, migrations: &[&str]) -> rusqlite::Result<()> {
    let version: usize = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    for (done, migration) in migrations.iter().enumerate().skip(version) {
        let change = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        change.execute_batch(migration)?;
        change.pragma_update(None, "user_version", done + 1)?;
        change.commit()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use optimus_common::job::JobContext;

    use super::*;
    use crate::sqlite::queries::read_context;

    fn version(db: &Connection) -> usize {
        db.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn an_older_database_is_brought_up_and_keeps_its_data() {
        let mut db = Connection::open_in_memory().unwrap();
        migrate(&mut db, &MIGRATIONS).unwrap();
        db.execute("INSERT INTO totals VALUES ('submitted', 'c', '', 7)", [])
            .unwrap();
        let next = [&MIGRATIONS[..], &["ALTER TABLE totals ADD COLUMN note TEXT"]].concat();
        for _ in 0..2 {
            migrate(&mut db, &next).unwrap();
            assert_eq!(version(&db), next.len());
        }
        let kept = db
            .query_row("SELECT value, note FROM totals", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .unwrap();
        assert_eq!(kept, (7, None::<String>));
    }

    #[test]
    fn results_of_the_first_format_are_counted() {
        let mut db = Connection::open_in_memory().unwrap();
        migrate(&mut db, &MIGRATIONS[..1]).unwrap();
        db.execute_batch(
            "INSERT INTO jobs (seq, id, language, priority, status, bytes, tests, created, expires) VALUES
               (1, 'a', 'c', 'normal', 'completed', 1, 1, 0, 9), (2, 'b', 'c', 'normal', 'cancelled', 1, 1, 0, 9);
             INSERT INTO results VALUES (1, x'7b7d');",
        )
        .unwrap();
        let counted = |db: &Connection| {
            db.query_row(
                "SELECT jobs, bytes FROM lists WHERE name = 'results'",
                [],
                |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)),
            )
            .unwrap()
        };
        migrate(&mut db, &MIGRATIONS).unwrap();
        assert_eq!(counted(&db), (1, 2));
        db.execute("DELETE FROM jobs", []).unwrap();
        assert_eq!(counted(&db), (0, 0));
    }

    #[test]
    fn jobs_of_the_second_format_belong_to_the_default_owner() {
        let mut db = Connection::open_in_memory().unwrap();
        migrate(&mut db, &MIGRATIONS[..2]).unwrap();
        db.execute_batch(
            "INSERT INTO jobs (id, language, priority, status, list, rank, bytes, tests, created) VALUES
               ('a', 'c', 'normal', 'queued', 'normal', 1, 1, 1, 0);
             INSERT INTO submissions VALUES (1, x'7b7d');",
        )
        .unwrap();
        migrate(&mut db, &MIGRATIONS).unwrap();
        let context = db
            .query_row(
                "SELECT owner, traceparent, tracestate, group_id FROM jobs",
                [],
                |row| read_context(row, 0),
            )
            .unwrap();
        assert_eq!(context.decode().unwrap(), JobContext::default());
    }

    #[test]
    fn a_migration_that_fails_changes_nothing() {
        let mut db = Connection::open_in_memory().unwrap();
        let broken = [
            &MIGRATIONS[..],
            &["CREATE TABLE half (a); CREATE TABLE half (a);"],
        ]
        .concat();
        migrate(&mut db, &broken).unwrap_err();
        assert_eq!(version(&db), MIGRATIONS.len());
        let halves: u32 = db
            .query_row(
                "SELECT COUNT(*) FROM sqlite_schema WHERE name = 'half'",
                [],
                |row| row.get(0),
            )
            .unwrap();
        assert_eq!(halves, 0);
    }
}
