//! What happens to a job after its claim.

use optimus_common::{counted, job::JobStatus, result::Verdict};
use rusqlite::{Row, params};

use super::{expiry::Pass, statements, trouble::Fault, unit::Unit};
use crate::{
    Finish, JobEvent, Reaped, Renewal, Retry,
    terms::{Ending, PART_BYTES},
};

/// Jobs taken back in one transition.
const AT_ONCE: usize = 100;

/// What a transition needs to know of a job.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) seq: i64,
    pub(super) id: String,
    pub(super) language: String,
    pub(super) attempts: i64,
    /// Its cancellation was asked for.
    pub(super) cancel: bool,
    pub(super) worker: Option<String>,
}

impl Job {
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
pub(super) struct Held {
    pub(super) id: String,
    pub(super) token: i64,
}

impl Held {
    /// The job, if this token is the one of its present lease.
    fn job(&self, unit: &Unit<'_>) -> Result<Option<Job>, Fault> {
        Ok(unit.first(statements::HELD, params![self.id, self.token], Job::read)?)
    }
}

pub(super) fn renew(unit: &Unit<'_>, held: &Held) -> Result<Renewal, Fault> {
    let until = unit.now.steady.saturating_add(unit.rules.lease);
    let cancel = unit.first(statements::RENEW, params![held.id, held.token, until], |row| {
        row.get::<_, bool>(0)
    })?;
    Ok(match cancel {
        None => Renewal::Lost,
        Some(false) => Renewal::Held,
        Some(true) => Renewal::CancelRequested,
    })
}

pub(super) fn finish(unit: &Unit<'_>, held: &Held, ending: &Ending) -> Result<Finish, Fault> {
    let Some(job) = held.job(unit)? else {
        // The caller asks again because it did not hear the first answer.
        let known = unit.first(
            statements::FINISHED_UNDER,
            params![held.id, held.token, unit.now.wall],
            |row| row.get::<_, bool>(0),
        )?;
        return Ok(known.map_or(Finish::Refused, |_| Finish::Accepted));
    };
    end(unit, &job, ending, Some(held.token))?;
    // What is left to be done, the next reap does.
    let _ = make_room(unit)?;
    Ok(Finish::Accepted)
}

pub(super) fn release(unit: &Unit<'_>, held: &Held) -> Result<Finish, Fault> {
    let Some(job) = held.job(unit)? else {
        return Ok(Finish::Refused);
    };
    if job.cancel {
        conclude(unit, &job, &cancelled())?;
    } else {
        unit.run(statements::UNCLAIM, [job.seq])?;
        unit.run(statements::TO_HEAD, [job.seq])?;
        unit.tell_work(&job.language);
    }
    Ok(Finish::Accepted)
}

pub(super) fn retry(unit: &Unit<'_>, held: &Held, reason: &str) -> Result<Retry, Fault> {
    let Some(job) = held.job(unit)? else {
        return Ok(Retry::Refused);
    };
    Ok(match take_back(unit, &job, reason)? {
        TakenBack::Requeued => Retry::Requeued,
        TakenBack::Dead => Retry::Dead,
        TakenBack::Cancelled => Retry::Cancelled,
    })
}

#[derive(Debug)]
pub(super) enum CancelAnswer {
    Cancelled,
    Requested,
    /// Over, in the state of this name.
    Over(String),
    NotFound,
}

pub(super) fn cancel(unit: &Unit<'_>, id: &str) -> Result<CancelAnswer, Fault> {
    let found = unit.first(statements::CANCELLABLE, params![id, unit.now.wall], |row| {
        Ok((Job::read(row)?, row.get::<_, String>(6)?))
    })?;
    let Some((job, status)) = found else {
        return Ok(CancelAnswer::NotFound);
    };
    if status == JobStatus::Queued.as_str() {
        conclude(unit, &job, &cancelled())?;
        Ok(CancelAnswer::Cancelled)
    } else if status == JobStatus::Running.as_str() {
        unit.run(statements::ASK_TO_CANCEL, [job.seq])?;
        unit.tell(JobEvent::CancelRequested, &job.id);
        Ok(CancelAnswer::Requested)
    } else {
        Ok(CancelAnswer::Over(status))
    }
}

/// Which leases are over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    /// Those whose time is.
    Expired,
    /// All: their owners ended with the process that had the database before.
    All,
}

/// Takes back some jobs whose lease is over. Answers whether there may be more.
pub(super) fn reap(unit: &Unit<'_>, over: Over) -> Result<(Reaped, bool), Fault> {
    let until = match over {
        Over::Expired => unit.now.steady,
        Over::All => i64::MAX,
    };
    let mut reaped = Reaped::default();
    let mut room = AT_ONCE;
    let languages: Vec<String> = unit.all(statements::RUNNING_LANGUAGES, [], |row| row.get(0))?;
    for language in languages {
        let jobs = unit.all(statements::LEASES_OVER, params![language, until, room], Job::read)?;
        room -= jobs.len();
        for job in jobs {
            let worker = job.worker.as_deref().unwrap_or("unknown");
            let reason = match over {
                Over::Expired => format!("worker {worker} stopped renewing its lease"),
                Over::All => format!("worker {worker} ended with its process"),
            };
            match take_back(unit, &job, &reason)? {
                TakenBack::Requeued => reaped.requeued += 1,
                TakenBack::Dead => reaped.dead += 1,
                TakenBack::Cancelled => {}
            }
        }
    }
    Ok((reaped, room == 0))
}

enum TakenBack {
    Requeued,
    Dead,
    Cancelled,
}

/// A running job comes back ungraded: cancelled where that was asked for, else to the queue after a backoff, or dead
/// where it has no attempts left.
fn take_back(unit: &Unit<'_>, job: &Job, reason: &str) -> Result<TakenBack, Fault> {
    if job.cancel {
        conclude(unit, job, &cancelled())?;
        return Ok(TakenBack::Cancelled);
    }
    if job.attempts >= unit.rules.max_attempts {
        let error = format!("{reason}; given up after {}", counted(job.attempts, "attempt"));
        conclude(unit, job, &Ending::failed(error))?;
        unit.run(statements::BURY, [&job.language, &job.id])?;
        unit.run(
            statements::UNEARTH,
            params![job.language, unit.rules.max_dead_jobs],
        )?;
        return Ok(TakenBack::Dead);
    }
    let due = unit.now.wall.saturating_add(unit.rules.backoff(job.attempts));
    unit.run(statements::DELAY, [job.seq, due])?;
    unit.run(statements::COUNT, ["requeued", job.language.as_str(), ""])?;
    // A waiter that sleeps without a time to wake at would miss the end of the backoff.
    unit.tell_work(&job.language);
    Ok(TakenBack::Requeued)
}

/// A job ends by itself, not by the one who held it.
pub(super) fn conclude(unit: &Unit<'_>, job: &Job, ending: &Ending) -> Result<(), Fault> {
    end(unit, job, ending, None)
}

/// The one way into a terminal state; `token` is the one under which the job was finished. The submission goes at once:
/// only the record stays until it expires.
fn end(unit: &Unit<'_>, job: &Job, ending: &Ending, token: Option<i64>) -> Result<(), Fault> {
    let expires = unit.now.wall.saturating_add(unit.rules.result_ttl);
    let result = ending.result.as_ref().map(String::as_bytes);
    unit.run(
        statements::END,
        params![
            job.seq,
            ending.status.as_str(),
            unit.now.wall,
            expires,
            ending.error,
            result.map(<[u8]>::len),
            ending.gist,
            token
        ],
    )?;
    unit.run(statements::DROP_SUBMISSION, [job.seq])?;
    if let Some(result) = result {
        let mut parts = result.chunks(PART_BYTES);
        unit.run(
            statements::INSERT_RESULT,
            params![job.seq, parts.next().unwrap_or_default()],
        )?;
        for (number, part) in (1_u32..).zip(parts) {
            unit.run(statements::INSERT_PART, params![job.seq, number, part])?;
        }
    }
    unit.run(
        statements::COUNT,
        ["finished", job.language.as_str(), ending.verdict.as_str()],
    )?;
    unit.tell(JobEvent::Finished, &job.id);
    Ok(())
}

/// Drops the details of the oldest results until all together are within the bound.
pub(super) fn make_room(unit: &Unit<'_>) -> Result<Pass, Fault> {
    for _ in 0..AT_ONCE {
        let bytes = unit.first(statements::RESULT_BYTES, [], |row| row.get::<_, u64>(0))?;
        if bytes.unwrap_or(0) <= unit.rules.max_result_bytes {
            return Ok(Pass::Done);
        }
        let Some(oldest) = unit.first(statements::OLDEST_RESULT, [], |row| row.get::<_, i64>(0))? else {
            return Ok(Pass::Done);
        };
        unit.run(statements::DROP_RESULT, [oldest])?;
        unit.run(statements::DROP_PARTS, [oldest])?;
        unit.run(statements::FORGET_RESULT, [oldest])?;
    }
    Ok(Pass::More)
}

fn cancelled() -> Ending {
    Ending {
        status: JobStatus::Cancelled,
        verdict: Verdict::Cancelled,
        result: None,
        gist: None,
        error: None,
    }
}
