//! Answers that change nothing.

use std::error::Error;

use jiff::Timestamp;
use optimus_common::{JobId, LanguageName, job::JobRecord};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{clock::Moment, statements};
use crate::{
    QueueDepth, StoreError, StoredJob, Totals,
    encoding::{StoredContext, StoredEnd, status_from},
};

/// A record as it is stored.
#[derive(Debug)]
pub(super) struct RawRecord {
    status: String,
    language: String,
    attempts: u32,
    created: i64,
    started: Option<i64>,
    finished: Option<i64>,
    tests: u32,
    metadata: Option<String>,
    error: Option<String>,
    result_bytes: Option<u64>,
    gist: Option<String>,
    head: Option<Vec<u8>>,
    context: StoredContext,
}

pub(super) fn record(db: &Connection, id: &str, now: Moment) -> rusqlite::Result<Option<RawRecord>> {
    db.prepare_cached(statements::RECORD)?
        .query_row(params![id, now.wall], |row| {
            Ok(RawRecord {
                status: row.get(0)?,
                language: row.get(1)?,
                attempts: row.get(2)?,
                created: row.get(3)?,
                started: row.get(4)?,
                finished: row.get(5)?,
                tests: row.get(6)?,
                metadata: row.get(7)?,
                error: row.get(8)?,
                result_bytes: row.get(9)?,
                gist: row.get(10)?,
                head: row.get(11)?,
                context: read_context(row, 12)?,
            })
        })
        .optional()
}

/// A job's context, in this column and the next three: its owner, the two headers of its trace, its group.
pub(super) fn read_context(row: &Row<'_>, first: usize) -> rusqlite::Result<StoredContext> {
    Ok(StoredContext {
        owner: row.get(first)?,
        traceparent: row.get(first + 1)?,
        tracestate: row.get(first + 2)?,
        group: row.get(first + 3)?,
    })
}

/// The job that an idempotency key made, and the digest of its body.
pub(super) fn key_owner(
    db: &Connection,
    key: &[u8],
    now: Moment,
) -> rusqlite::Result<Option<(String, [u8; 32])>> {
    db.prepare_cached(statements::KEY_OWNER)?
        .query_row(params![key, now.wall], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
}

/// The state of a job, with the token of its last lease.
pub(super) fn status(db: &Connection, id: &str, now: Moment) -> rusqlite::Result<Option<(String, i64)>> {
    db.prepare_cached(statements::STATUS)?
        .query_row(params![id, now.wall], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
}

/// One of the further parts of a result.
pub(super) fn result_part(
    db: &Connection,
    id: &str,
    part: u32,
    now: Moment,
) -> rusqlite::Result<Option<Vec<u8>>> {
    db.prepare_cached(statements::RESULT_PART)?
        .query_row(params![id, part, now.wall], |row| row.get(0))
        .optional()
}

impl RawRecord {
    pub(super) fn decode(self, id: JobId) -> Result<StoredJob, StoreError> {
        self.parse(id)
            .map_err(|source| StoreError::Damaged { job: id, source })
    }

    fn parse(self, id: JobId) -> Result<StoredJob, Box<dyn Error + Send + Sync>> {
        let status = status_from(&self.status)?;
        let end = StoredEnd {
            status,
            total_tests: self.tests,
            head: self.head,
            bytes: self.result_bytes,
            gist: self.gist.map(String::into_bytes),
        };
        let shown = end.shown()?;
        Ok(StoredJob {
            record: JobRecord {
                job_id: id,
                status,
                language: self.language.parse()?,
                attempts: self.attempts,
                created_at: Timestamp::from_millisecond(self.created)?,
                started_at: self.started.map(Timestamp::from_millisecond).transpose()?,
                finished_at: self.finished.map(Timestamp::from_millisecond).transpose()?,
                result: shown.totals,
                details_dropped: shown.details_dropped,
                error: self.error,
                metadata: self
                    .metadata
                    .map(|json| serde_json::from_str(&json))
                    .transpose()?,
            },
            result: shown.stored,
            context: self.context.decode()?,
        })
    }
}

pub(super) fn depth(db: &Connection, language: LanguageName) -> rusqlite::Result<QueueDepth> {
    let mut depth = QueueDepth {
        language,
        interactive: 0,
        normal: 0,
        batch: 0,
        delayed: 0,
        running: 0,
        dead: 0,
    };
    let mut lists = db.prepare_cached(statements::DEPTHS)?;
    let mut rows = lists.query([depth.language.as_str()])?;
    while let Some(row) = rows.next()? {
        let place = match row.get_ref(0)?.as_str()? {
            "interactive" => &mut depth.interactive,
            "normal" => &mut depth.normal,
            "batch" => &mut depth.batch,
            "delayed" => &mut depth.delayed,
            "running" => &mut depth.running,
            _ => &mut depth.dead,
        };
        *place = row.get(1)?;
    }
    Ok(depth)
}

/// Milliseconds until a job of this language can be claimed: 0 for now, `None` where none waits.
pub(super) fn due_in(db: &Connection, language: &str, now: Moment) -> rusqlite::Result<Option<u64>> {
    let ready: u64 = db
        .prepare_cached(statements::READY)?
        .query_row([language], |row| row.get(0))?;
    if ready > 0 {
        return Ok(Some(0));
    }
    let due: Option<i64> = db
        .prepare_cached(statements::NEXT_DUE)?
        .query_row([language], |row| row.get(0))?;
    Ok(due.map(|due| u64::try_from(due.saturating_sub(now.wall)).unwrap_or(0)))
}

pub(super) fn totals(db: &Connection) -> rusqlite::Result<Totals> {
    let mut totals = Totals {
        stored_bytes: db
            .prepare_cached(statements::STORED_BYTES)?
            .query_row([], |row| row.get(0))?,
        result_bytes: db
            .prepare_cached(statements::RESULT_BYTES)?
            .query_row([], |row| row.get(0))
            .optional()?
            .unwrap_or(0),
        ..Totals::default()
    };
    let mut counters = db.prepare_cached(statements::TOTALS)?;
    let mut rows = counters.query([])?;
    while let Some(row) = rows.next()? {
        let Ok(language) = row.get_ref(1)?.as_str()?.parse::<LanguageName>() else {
            continue;
        };
        let value = row.get(3)?;
        match row.get_ref(0)?.as_str()? {
            "submitted" => drop(totals.submitted.insert(language, value)),
            "requeued" => drop(totals.requeued.insert(language, value)),
            _ => drop(totals.finished.insert((language, row.get(2)?), value)),
        }
    }
    Ok(totals)
}
