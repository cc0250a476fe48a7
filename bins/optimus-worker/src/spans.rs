//! The spans of a job, with their fields: what the log says of every event inside, and what a collector is shown.
//!
//! ```text
//! queue_wait   from the submission to the first claim
//! job          one claim: job_id, language
//!   attempt    worker_id, attempt
//!     box_wait
//!     box      box_name; from when the job has it to when its work is over
//!       compile
//!       run    for each try of each test, with what was measured
//!     judge    what is left to do when the last run is over
//!     finish   until the store has the result
//! ```
//!
//! Spans in which events happen are of level `error`, so that a log of errors alone says of which job they are. None holds
//! anything of a program, its inputs or its outputs.

use std::time::{Duration, SystemTime};

use optimus_common::{
    WorkerId,
    facts::{LimitKind, RunEnd, RunFacts},
};
use optimus_queue::Claim;
use optimus_service::trace::{self, KeyValue};
use tracing::{Span, error_span, info_span};

/// One claim of a job: a child of the request that submitted it.
pub(crate) fn job(claim: &Claim) -> Span {
    let span = error_span!(
        parent: None,
        "job",
        job_id = %claim.lease.job,
        language = %claim.lease.language,
    );
    if let Some(submitter) = &claim.context.trace {
        trace::continue_from(&span, submitter);
    }
    span
}

/// One attempt at a job, inside of its span.
pub(crate) fn attempt(claim: &Claim, worker: &WorkerId) -> Span {
    error_span!("attempt", worker_id = %worker, attempt = claim.attempt)
}

pub(crate) fn box_wait() -> Span {
    info_span!("box_wait")
}

/// From the submission to the first claim: beside the job's own span, where that has a parent.
pub(crate) fn queue_wait(claim: &Claim, job: &Span, waited: (SystemTime, SystemTime)) {
    match &claim.context.trace {
        Some(submitter) => trace::past_remote(submitter, "queue_wait", waited, Vec::new),
        None => trace::past(job, "queue_wait", waited, Vec::new),
    }
}

/// The work in a job's box, inside of the attempt's span.
pub(crate) fn in_box(name: &str) -> Span {
    error_span!("box", box_name = name)
}

/// For the log alone: the renewal of the job's lease, for as long as the attempt lasts.
pub(crate) fn lease() -> Span {
    error_span!(target: "log_alone", "lease")
}

/// For the log alone: what becomes of the box of a job that is over. Inside of the job's span it would keep that open.
pub(crate) fn after(claim: &Claim) -> Span {
    error_span!(
        target: "log_alone",
        parent: None,
        "after",
        job_id = %claim.lease.job,
        language = %claim.lease.language,
    )
}

pub(crate) fn finish() -> Span {
    info_span!("finish")
}

/// The compile step, which has just ended. A box that says what cannot be is believed back to when the job had it.
pub(crate) fn compile(parent: &Span, since: SystemTime, facts: &RunFacts) {
    trace::past(parent, "compile", ended_now(since, facts), || figures(facts));
}

/// A try of a test, which has just ended.
pub(crate) fn run(parent: &Span, since: SystemTime, test_id: u64, facts: &RunFacts) {
    trace::past(parent, "run", ended_now(since, facts), || {
        let mut attributes = figures(facts);
        attributes.push(KeyValue::new("test_id", test_id.to_string()));
        attributes
    });
}

/// What was left to do after the last run; `work` is what the judge did in all.
pub(crate) fn judge(parent: &Span, since: SystemTime, work: Duration) {
    trace::past(parent, "judge", (since, SystemTime::now()), || {
        vec![KeyValue::new("work_us", whole(work.as_micros()))]
    });
}

fn ended_now(since: SystemTime, facts: &RunFacts) -> (SystemTime, SystemTime) {
    let end = SystemTime::now();
    let begin = end.checked_sub(facts.wall_time).unwrap_or(since);
    (begin.max(since), end)
}

/// Numbers and fixed words: what a box writes of its own is not told.
fn figures(facts: &RunFacts) -> Vec<KeyValue> {
    let (end, code) = match facts.end {
        RunEnd::Exited { code } => ("exited", Some(("exit_code", code))),
        RunEnd::Signalled { signal } => ("signalled", Some(("signal", signal))),
        RunEnd::Killed { limit } => (killed_for(limit), None),
        RunEnd::Stopped => ("stopped", None),
        RunEnd::NotStarted { .. } => ("not_started", None),
    };
    let mut attributes = vec![
        KeyValue::new("end", end),
        KeyValue::new("wall_time_us", whole(facts.wall_time.as_micros())),
        KeyValue::new("cpu_time_us", whole(facts.cpu_time.as_micros())),
        KeyValue::new("held_us", whole(facts.held.as_micros())),
        KeyValue::new("peak_memory_bytes", whole(facts.peak_memory_bytes.into())),
        KeyValue::new("stdout_bytes", whole(facts.stdout_bytes.into())),
        KeyValue::new("stderr_bytes", whole(facts.stderr_bytes.into())),
    ];
    if let Some((key, code)) = code {
        attributes.push(KeyValue::new(key, i64::from(code)));
    }
    attributes
}

fn killed_for(limit: LimitKind) -> &'static str {
    match limit {
        LimitKind::CpuTime => "killed_for_cpu_time",
        LimitKind::WallTime => "killed_for_wall_time",
        LimitKind::Memory => "killed_for_memory",
        LimitKind::Output => "killed_for_output",
    }
}

/// A figure as a collector takes it, whose numbers have a sign and 64 bits.
fn whole(figure: u128) -> i64 {
    i64::try_from(figure).unwrap_or(i64::MAX)
}
