//! What happens to a job after its claim.

use optimus_common::{counted, job::JobStatus};
use rusqlite::{Row, params};

use super::{error::DbError, expiry::Pass, statements, txn::Txn};
use crate::{
    Finish, JobEvent, Reaped, Renewal, Retry,
    encoding::{PART_BYTES, TerminalState},
    taken_back::TakenBack,
};

/// Jobs taken back in one transition.
const AT_ONCE: usize = 100;

/// What a transition needs to know of a job.
#[derive(Debug)]
pub(super) struct JobRow {
    pub(super) seq: i64,
    pub(super) id: String,
    pub(super) language: String,
    pub(super) attempts: i64,
    /// Its cancellation was asked for.
    pub(super) cancel: bool,
    pub(super) worker: Option<String>,
}

impl JobRow {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            seq: row.get(0)?,
            id: row.get(1)?,
            language: row.get(2)?,
            attempts: row.get(3)?,
            cancel: row.get(4)?,
            worker: row.get(5)?,
        })
    }
}

/// A job under the token of its claim.
#[derive(Debug, Clone)]
pub(super) struct LeaseRef {
    pub(super) id: String,
    pub(super) token: i64,
}

impl LeaseRef {
    /// The job, if this token is the one of its present lease.
    fn job(&self, txn: &Txn<'_>) -> Result<Option<JobRow>, DbError> {
        Ok(txn.first(statements::HELD, params![self.id, self.token], JobRow::read)?)
    }
}

pub(super) fn renew(txn: &Txn<'_>, lease: &LeaseRef) -> Result<Renewal, DbError> {
    let until = txn.now.steady.saturating_add(txn.rules.lease);
    let cancel = txn.first(statements::RENEW, params![lease.id, lease.token, until], |row| {
        row.get::<_, bool>(0)
    })?;
    Ok(match cancel {
        None => Renewal::Lost,
        Some(false) => Renewal::Held,
        Some(true) => Renewal::CancelRequested,
    })
}

pub(super) fn finish(txn: &Txn<'_>, lease: &LeaseRef, end: &TerminalState) -> Result<Finish, DbError> {
    let Some(job) = lease.job(txn)? else {
        // The caller asks again because it did not hear the first answer.
        let known = txn.first(
            statements::FINISHED_UNDER,
            params![lease.id, lease.token, txn.now.wall],
            |row| row.get::<_, bool>(0),
        )?;
        return Ok(known.map_or(Finish::Refused, |_| Finish::Accepted));
    };
    enter_terminal_state(txn, &job, end, Some(lease.token))?;
    // What is left to be done, the next reap does.
    let _ = make_room(txn)?;
    Ok(Finish::Accepted)
}

pub(super) fn release(txn: &Txn<'_>, lease: &LeaseRef) -> Result<Finish, DbError> {
    let Some(job) = lease.job(txn)? else {
        return Ok(Finish::Refused);
    };
    if job.cancel {
        conclude(txn, &job, &TerminalState::cancelled())?;
    } else {
        txn.run(statements::UNCLAIM, [job.seq])?;
        txn.run(statements::TO_HEAD, [job.seq])?;
        txn.notify_given_back(&job.id);
        txn.notify_work(&job.language);
    }
    Ok(Finish::Accepted)
}

pub(super) fn retry(txn: &Txn<'_>, lease: &LeaseRef, reason: &str) -> Result<Retry, DbError> {
    let Some(job) = lease.job(txn)? else {
        return Ok(Retry::Refused);
    };
    Ok(take_back(txn, &job, reason)?.into())
}

#[derive(Debug)]
pub(super) enum CancelAnswer {
    Cancelled,
    Requested,
    /// Over, in the state of this name.
    AlreadyFinished(String),
    NotFound,
}

pub(super) fn cancel(txn: &Txn<'_>, id: &str) -> Result<CancelAnswer, DbError> {
    let found = txn.first(statements::CANCELLABLE, params![id, txn.now.wall], |row| {
        Ok((JobRow::read(row)?, row.get::<_, String>(6)?))
    })?;
    let Some((job, status)) = found else {
        return Ok(CancelAnswer::NotFound);
    };
    if status == JobStatus::Queued.as_str() {
        conclude(txn, &job, &TerminalState::cancelled())?;
        Ok(CancelAnswer::Cancelled)
    } else if status == JobStatus::Running.as_str() {
        txn.run(statements::ASK_TO_CANCEL, [job.seq])?;
        txn.notify(JobEvent::CancelRequested, &job.id);
        Ok(CancelAnswer::Requested)
    } else {
        Ok(CancelAnswer::AlreadyFinished(status))
    }
}

/// Which leases are over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LeaseScope {
    /// Those whose time has run out.
    Expired,
    /// All: their owners ended with the process that had the database before.
    All,
}

/// Takes back some jobs whose lease is over. Answers whether there may be more.
pub(super) fn reap(txn: &Txn<'_>, scope: LeaseScope) -> Result<(Reaped, bool), DbError> {
    let until = match scope {
        LeaseScope::Expired => txn.now.steady,
        LeaseScope::All => i64::MAX,
    };
    let mut reaped = Reaped::default();
    let mut room = AT_ONCE;
    let languages: Vec<String> = txn.all(statements::RUNNING_LANGUAGES, [], |row| row.get(0))?;
    for language in languages {
        let jobs = txn.all(
            statements::LEASES_OVER,
            params![language, until, room],
            JobRow::read,
        )?;
        room -= jobs.len();
        for job in jobs {
            let worker = job.worker.as_deref().unwrap_or("unknown");
            let reason = match scope {
                LeaseScope::Expired => format!("worker {worker} stopped renewing its lease"),
                LeaseScope::All => format!("worker {worker} ended with its process"),
            };
            reaped.count(take_back(txn, &job, &reason)?);
        }
    }
    Ok((reaped, room == 0))
}

/// A running job comes back ungraded: cancelled where that was asked for, else to the queue after a backoff, or dead
/// where it has no attempts left.
fn take_back(txn: &Txn<'_>, job: &JobRow, reason: &str) -> Result<TakenBack, DbError> {
    if job.cancel {
        conclude(txn, job, &TerminalState::cancelled())?;
        return Ok(TakenBack::Cancelled);
    }
    if job.attempts >= txn.rules.max_attempts {
        let error = format!("{reason}; given up after {}", counted(job.attempts, "attempt"));
        conclude(txn, job, &TerminalState::failed(error))?;
        txn.run(statements::DEAD_LETTER_PUT, [&job.language, &job.id])?;
        txn.run(
            statements::DEAD_LETTER_TRIM,
            params![job.language, txn.rules.max_dead_jobs],
        )?;
        return Ok(TakenBack::Dead);
    }
    let due = txn.now.wall.saturating_add(txn.rules.backoff(job.attempts));
    txn.run(statements::DELAY, [job.seq, due])?;
    txn.run(statements::COUNT, ["requeued", job.language.as_str(), ""])?;
    txn.notify_given_back(&job.id);
    // A waiter that sleeps without a time to wake at would miss the end of the backoff.
    txn.notify_work(&job.language);
    Ok(TakenBack::Requeued)
}

/// A job ends by itself, not by the one who held it.
pub(super) fn conclude(txn: &Txn<'_>, job: &JobRow, end: &TerminalState) -> Result<(), DbError> {
    enter_terminal_state(txn, job, end, None)
}

/// The one way into a terminal state; `token` is the one under which the job was finished. The submission goes at once:
/// only the record stays until it expires.
fn enter_terminal_state(
    txn: &Txn<'_>,
    job: &JobRow,
    end: &TerminalState,
    token: Option<i64>,
) -> Result<(), DbError> {
    let expires = txn.now.wall.saturating_add(txn.rules.result_ttl);
    let result = end.result.as_ref().map(String::as_bytes);
    txn.run(
        statements::END,
        params![
            job.seq,
            end.status.as_str(),
            txn.now.wall,
            expires,
            end.error,
            result.map(<[u8]>::len),
            end.gist,
            token
        ],
    )?;
    txn.run(statements::DROP_SUBMISSION, [job.seq])?;
    if let Some(result) = result {
        let mut parts = result.chunks(PART_BYTES);
        txn.run(
            statements::INSERT_RESULT,
            params![job.seq, parts.next().unwrap_or_default()],
        )?;
        for (number, part) in (1_u32..).zip(parts) {
            txn.run(statements::INSERT_PART, params![job.seq, number, part])?;
        }
    }
    txn.run(
        statements::COUNT,
        ["finished", job.language.as_str(), end.verdict.as_str()],
    )?;
    txn.notify(JobEvent::Finished, &job.id);
    Ok(())
}

/// Drops the details of the oldest results until all together are within the bound.
pub(super) fn make_room(txn: &Txn<'_>) -> Result<Pass, DbError> {
    for _ in 0..AT_ONCE {
        let bytes = txn.first(statements::RESULT_BYTES, [], |row| row.get::<_, u64>(0))?;
        if bytes.unwrap_or(0) <= txn.rules.max_result_bytes {
            return Ok(Pass::Done);
        }
        let Some(oldest) = txn.first(statements::OLDEST_RESULT, [], |row| row.get::<_, i64>(0))? else {
            return Ok(Pass::Done);
        };
        txn.run(statements::DROP_RESULT, [oldest])?;
        txn.run(statements::DROP_PARTS, [oldest])?;
        txn.run(statements::FORGET_RESULT, [oldest])?;
    }
    Ok(Pass::More)
}
