//! Taking a job in.

use rusqlite::params;

use super::{error::DbError, statements, txn::Txn};

use crate::encoding::StoredContext;

/// What stays free on the disk, so that accepted jobs can still be worked off when no new one is taken.
const RESERVE: u64 = 16 << 20;

/// A submission ready to be written.
#[derive(Debug)]
pub(super) struct Admission {
    pub(super) id: String,
    pub(super) language: String,
    pub(super) priority: &'static str,
    pub(super) tests: i64,
    pub(super) json: Vec<u8>,
    pub(super) metadata: Option<String>,
    pub(super) context: StoredContext,
    pub(super) idempotency: Option<Key>,
}

/// An idempotency key and the body it came with, which may be of any length, as SHA-256.
#[derive(Debug)]
pub(super) struct Key {
    /// The digest of the key, and its owner where that is not the default one.
    pub(super) key: Vec<u8>,
    pub(super) body: [u8; 32],
}

#[derive(Debug)]
pub(super) enum Admitted {
    Created,
    /// The key has made this job before, by the same body.
    Existing(String),
    KeyReused,
    Full,
}

pub(super) fn submit(txn: &Txn<'_>, job: &Admission) -> Result<Admitted, DbError> {
    let now = txn.now.wall;
    match txn.first(statements::KNOWN, params![job.id, now], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, bool>(1)?))
    })? {
        // The caller asks again because it did not hear the first answer.
        Some((_, false)) => return Ok(Admitted::Created),
        Some((expired, true)) => drop(txn.run(statements::REMOVE_JOB, [expired])?),
        None => {}
    }
    if let Some(idempotency) = &job.idempotency {
        let owner = txn.first(statements::KEY_OWNER, params![idempotency.key, now], |row| {
            Ok((row.get(0)?, row.get::<_, [u8; 32]>(1)?))
        })?;
        match owner {
            Some((first, body)) if body == idempotency.body => return Ok(Admitted::Existing(first)),
            Some(_) => return Ok(Admitted::KeyReused),
            None => {}
        }
    }
    if !has_room(txn, job)? {
        return Ok(Admitted::Full);
    }

    let bytes = job.json.len();
    txn.run(
        statements::INSERT_JOB,
        params![
            job.id,
            job.language,
            job.priority,
            bytes,
            job.tests,
            job.metadata,
            now,
            job.context.owner,
            job.context.traceparent,
            job.context.tracestate,
            job.context.group
        ],
    )?;
    let seq = txn.db.last_insert_rowid();
    txn.run(statements::INSERT_SUBMISSION, params![seq, job.json])?;
    if let Some(idempotency) = &job.idempotency {
        let expires = now.saturating_add(txn.rules.result_ttl);
        txn.run(
            statements::KEEP_KEY,
            params![idempotency.key, idempotency.body, job.id, expires],
        )?;
    }
    txn.run(statements::COUNT, params!["submitted", job.language, ""])?;
    txn.notify_work(&job.language);
    Ok(Admitted::Created)
}

/// Whether the limits allow one more. A disk that is nearly full is a fault.
fn has_room(txn: &Txn<'_>, job: &Admission) -> Result<bool, DbError> {
    let bytes = job.json.len() as u64;
    let number = |statement, values: &[&dyn rusqlite::ToSql]| {
        txn.first(statement, values, |row| row.get::<_, u64>(0))
            .map(Option::unwrap_or_default)
    };
    let waiting = number(statements::WAITING, &[&job.language])?;
    let stored = number(statements::STORED_BYTES, &[])?;
    if waiting >= txn.rules.max_waiting_jobs || stored.saturating_add(bytes) > txn.rules.max_stored_bytes {
        return Ok(false);
    }
    let Some(free) = txn.file.free_bytes() else {
        return Ok(true);
    };
    // It is written twice: to the log, then to the database, whose free pages are filled first.
    let pages = number(statements::FREE_PAGES, &[])?.saturating_mul(number(statements::PAGE_SIZE, &[])?);
    if free
        < RESERVE
            .saturating_add(bytes)
            .saturating_add(bytes.saturating_sub(pages))
    {
        return Err(DbError::NoRoom { free });
    }
    Ok(true)
}
