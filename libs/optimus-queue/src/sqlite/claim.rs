//! Which job comes next, and leasing it.

use optimus_common::FencingToken;
use rusqlite::params;

use super::{
    error::DbError,
    queries::read_context,
    statements,
    transitions::{JobRow, conclude},
    txn::Txn,
};
use crate::encoding::{StoredContext, TerminalState};

/// Bound of what one claim clears away before it says so.
const AT_ONCE: usize = 64;

#[derive(Debug)]
pub(super) enum Claimed {
    Job(Leased),
    Nothing,
    /// Only jobs whose submission is missing were found so far, and there may be more: to be called again.
    Again,
}

#[derive(Debug)]
pub(super) struct Leased {
    pub(super) id: String,
    pub(super) token: i64,
    pub(super) attempt: u32,
    pub(super) created: i64,
    pub(super) json: Vec<u8>,
    pub(super) context: StoredContext,
}

/// The first of a list.
struct Head {
    seq: i64,
    id: String,
    created: i64,
    attempts: i64,
    token: i64,
    context: StoredContext,
}

pub(super) fn claim(txn: &Txn<'_>, language: &str, worker: &str) -> Result<Claimed, DbError> {
    end_backoffs(txn, language)?;
    for _ in 0..AT_ONCE {
        let Some(head) = next(txn, language)? else {
            return Ok(Claimed::Nothing);
        };
        let submission = txn.first(statements::SUBMISSION, [head.seq], |row| row.get(0))?;
        if let Some(json) = submission {
            let until = txn.now.steady.saturating_add(txn.rules.lease);
            txn.run(statements::LEASE, params![head.seq, until, txn.now.wall, worker])?;
            txn.notify_leased(&head.id, FencingToken((head.token + 1).cast_unsigned()));
            return Ok(Claimed::Job(Leased {
                id: head.id,
                token: head.token + 1,
                attempt: u32::try_from(head.attempts + 1).unwrap_or(u32::MAX),
                created: head.created,
                json,
                context: head.context,
            }));
        }
        let job = JobRow {
            seq: head.seq,
            id: head.id,
            language: language.to_owned(),
            attempts: head.attempts,
            cancel: false,
            worker: None,
        };
        let end = TerminalState::failed("its submission is missing from the store".to_owned());
        conclude(txn, &job, &end)?;
    }
    Ok(Claimed::Again)
}

/// Jobs whose backoff is over come back to the head, the earliest foremost.
fn end_backoffs(txn: &Txn<'_>, language: &str) -> Result<(), DbError> {
    let due: Vec<i64> = txn.all(statements::DUE, params![language, txn.now.wall, AT_ONCE], |row| {
        row.get(0)
    })?;
    for seq in due.iter().rev() {
        txn.run(statements::TO_HEAD, [seq])?;
    }
    Ok(())
}

/// The head that was submitted first, normal and batch jobs counting as submitted later by the head starts they give.
/// Only the heads are looked at, so depth costs nothing.
fn next(txn: &Txn<'_>, language: &str) -> Result<Option<Head>, DbError> {
    let head_start = txn.rules.priority_head_start;
    let handicaps = [
        ("interactive", 0),
        ("normal", head_start),
        ("batch", head_start.saturating_mul(11)),
    ];
    let mut best: Option<(i64, Head)> = None;
    for (list, handicap) in handicaps {
        let head = txn.first(statements::HEAD, [language, list], |row| {
            Ok(Head {
                seq: row.get(0)?,
                id: row.get(1)?,
                created: row.get(2)?,
                attempts: row.get(3)?,
                token: row.get(4)?,
                context: read_context(row, 5)?,
            })
        })?;
        if let Some(head) = head {
            let counts_from = head.created.saturating_add(handicap);
            if best.as_ref().is_none_or(|(earliest, _)| counts_from < *earliest) {
                best = Some((counts_from, head));
            }
        }
    }
    Ok(best.map(|(_, head)| head))
}
