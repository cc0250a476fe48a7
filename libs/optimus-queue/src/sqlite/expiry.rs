//! Clearing away what has had its time, and giving the room back.

use rusqlite::params;

use super::{error::DbError, statements, txn::Txn};

/// Jobs and keys cleared away in one transition, and pages given back.
const AT_ONCE: usize = 100;
const PAGES_AT_ONCE: u64 = 1000;

/// Free pages that are never given back: 4 MiB.
const SPARE_PAGES: u64 = 1024;

/// Whether a pass left something to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pass {
    More,
    Done,
}

/// Removes some of the jobs and keys that have expired.
pub(super) fn expire(txn: &Txn<'_>) -> Result<Pass, DbError> {
    let jobs: Vec<i64> = txn.all(statements::EXPIRED, params![txn.now.wall, AT_ONCE], |row| {
        row.get(0)
    })?;
    for seq in &jobs {
        txn.run(statements::REMOVE_JOB, [seq])?;
    }
    let keys: Vec<Vec<u8>> = txn.all(statements::EXPIRED_KEYS, params![txn.now.wall, AT_ONCE], |row| {
        row.get(0)
    })?;
    for key in &keys {
        txn.run(statements::REMOVE_KEY, [key])?;
    }
    Ok(if jobs.len().max(keys.len()) == AT_ONCE {
        Pass::More
    } else {
        Pass::Done
    })
}

/// Gives some free pages back to the file system, where more than half of the file is free: new jobs fill free pages
/// anyway, and to move the others about costs writes.
pub(super) fn give_back(txn: &Txn<'_>) -> Result<Pass, DbError> {
    let number = |pragma| txn.db.query_row(pragma, [], |row| row.get::<_, u64>(0));
    let free = number("PRAGMA freelist_count")?;
    let kept = SPARE_PAGES.max(number("PRAGMA page_count")? / 2);
    if free <= kept {
        return Ok(Pass::Done);
    }
    let pages = PAGES_AT_ONCE.min(free - SPARE_PAGES);
    txn.db
        .execute_batch(&format!("PRAGMA incremental_vacuum({pages})"))?;
    Ok(Pass::More)
}
