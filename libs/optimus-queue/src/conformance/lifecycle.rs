//! The life of a job, state by state.

use std::time::{Duration, Instant};

use optimus_common::{
    FencingToken, GroupId, JobId,
    facts::{MeasuredBy, RunEnd, RunFacts},
    job::{JobContext, JobStatus, Outcome},
    limits::Limits,
    result::{CompileResult, CompileVerdict, JobResult, OverallStatus, RunEvidence, TestResult, Verdict},
    trace::TraceContext,
};
use serde_json::json;

use super::{
    StoreFactory,
    support::{
        claim, completed, depth, job, language, lost_at_once, pause, record, result, settings, status,
        submission_with, submit, submit_job, try_claim,
    },
};
use crate::{Cancel, Finish, JobStore, Lease, NewJob, Renewal, Retry};

pub async fn a_job_is_queued_then_running_then_completed(factory: &dyn StoreFactory) {
    let store = &*factory.open(&settings(|_| ())).await;
    let metadata = json!({"course": [1, "é"], "null": null});
    let id = submit_job(store, job(submission_with(json!({"metadata": metadata})))).await;

    let queued = record(store, id).await;
    assert_eq!(
        (queued.job_id, queued.status, queued.language),
        (id, JobStatus::Queued, language())
    );
    assert_eq!(
        (queued.attempts, queued.started_at, queued.finished_at),
        (0, None, None)
    );
    assert_eq!((queued.result, queued.error), (None, None));
    assert_eq!(queued.metadata.as_ref(), Some(&metadata));

    let claim = claim(store).await;
    assert_eq!(
        (claim.lease.job, claim.attempt, claim.created_at),
        (id, 1, queued.created_at)
    );
    assert_eq!(claim.submission, submission_with(json!({"metadata": metadata})));
    let running = record(store, id).await;
    assert_eq!(
        (running.status, running.attempts, running.finished_at),
        (JobStatus::Running, 1, None)
    );
    assert!(running.started_at.unwrap() >= queued.created_at);
    assert!(try_claim(store).await.is_none(), "a running job is nobody else's");

    assert_eq!(
        store.finish(&claim.lease, completed()).await.unwrap(),
        Finish::Accepted
    );
    let done = record(store, id).await;
    assert_eq!((done.status, done.attempts), (JobStatus::Completed, 1));
    assert_eq!(
        (done.created_at, done.started_at),
        (queued.created_at, running.started_at)
    );
    assert!(done.finished_at.unwrap() >= running.started_at.unwrap());
    assert_eq!(
        (done.result, done.error),
        (Some(result(Verdict::WrongAnswer)), None)
    );
    assert_eq!(done.metadata, Some(metadata));
}

pub async fn who_and_where_from_travels_with_a_job(factory: &dyn StoreFactory) {
    let store = &*factory
        .open(&settings(|queue| queue.retry_backoff = Duration::ZERO))
        .await;
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let with_state = TraceContext::parse(parent, Some("rojo=1,congo=t61 rcWk!")).unwrap();
    let without = TraceContext::parse(parent, None).unwrap();
    for context in [
        JobContext::default(),
        JobContext {
            trace: Some(without),
            ..JobContext::default()
        },
        JobContext {
            owner: "team-7".parse().unwrap(),
            trace: Some(with_state),
            group: Some(GroupId::new()),
        },
    ] {
        let new = NewJob {
            context: context.clone(),
            ..job(submission_with(json!({})))
        };
        let id = submit_job(store, new).await;
        let stored = async || store.lookup(id).await.unwrap().unwrap().context;
        assert_eq!(stored().await, context);
        let first = claim(store).await;
        assert_eq!((first.lease.job, &first.context), (id, &context));
        store.retry(&first.lease, "x").await.unwrap();
        let second = claim(store).await;
        assert_eq!((second.attempt, &second.context), (2, &context));
        store.finish(&second.lease, completed()).await.unwrap();
        assert_eq!(stored().await, context, "after its end");
    }
}

pub async fn a_failed_job_says_why(factory: &dyn StoreFactory) {
    let store = &*factory.open(&settings(|_| ())).await;
    let id = submit(store).await;
    let lease = claim(store).await.lease;
    let outcome = Outcome::Failed {
        result: result(Verdict::InternalError),
        error: "no box, \"ever\"\n".to_owned(),
    };
    assert_eq!(store.finish(&lease, outcome).await.unwrap(), Finish::Accepted);
    let record = record(store, id).await;
    assert_eq!(record.status, JobStatus::Failed);
    assert_eq!(record.error.as_deref(), Some("no box, \"ever\"\n"));
    assert_eq!(record.result, Some(result(Verdict::InternalError)));
}

pub async fn an_unknown_job_is_nothing(factory: &dyn StoreFactory) {
    let store = &*factory.open(&settings(|_| ())).await;
    let lease = Lease {
        job: JobId::new(),
        language: language(),
        token: FencingToken(1),
    };
    assert_eq!(store.get(lease.job).await.unwrap(), None);
    assert_eq!(store.cancel(lease.job).await.unwrap(), Cancel::NotFound);
    assert_eq!(store.renew(&lease).await.unwrap(), Renewal::Lost);
    assert_eq!(store.finish(&lease, completed()).await.unwrap(), Finish::Refused);
    assert_eq!(store.release(&lease).await.unwrap(), Finish::Refused);
    assert_eq!(store.retry(&lease, "x").await.unwrap(), Retry::Refused);
    assert_eq!(
        store.get(lease.job).await.unwrap(),
        None,
        "no refusal leaves a record"
    );
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Step {
    Claim,
    Renew,
    Finish,
    Release,
    Retry,
    Cancel,
    Reap,
    Audit,
}

pub async fn every_transition_is_one_of_the_table(factory: &dyn StoreFactory) {
    use Step::{Audit, Cancel, Claim, Finish, Reap, Release, Renew, Retry};
    let store = &*factory.open(&settings(lost_at_once)).await;
    for from in JobStatus::ALL {
        for step in [Claim, Renew, Finish, Release, Retry, Cancel, Reap, Audit] {
            let lease = job_in(store, from).await;
            take(store, step, &lease).await;
            let to = status(store, lease.job).await;
            let expected = match (from, step) {
                (JobStatus::Queued, Claim) => JobStatus::Running,
                (JobStatus::Queued, Cancel) => JobStatus::Cancelled,
                (JobStatus::Running, Finish) => JobStatus::Completed,
                (JobStatus::Running, Release | Retry | Reap) => JobStatus::Queued,
                (unchanged, _) => unchanged,
            };
            assert_eq!(to, expected, "{from:?} and {step:?}");
            assert!(
                from == to || from.may_become(to),
                "{from:?} to {to:?} by {step:?}"
            );
            end(store, &lease).await;
        }
    }
    assert_eq!(depth(store).await.waiting() + depth(store).await.running, 0);
}

/// A job in this state with the latest lease it had.
async fn job_in(store: &dyn JobStore, state: JobStatus) -> Lease {
    submit(store).await;
    let lease = claim(store).await.lease;
    match state {
        JobStatus::Queued => assert_eq!(store.release(&lease).await.unwrap(), Finish::Accepted),
        JobStatus::Running => {}
        JobStatus::Completed => take(store, Step::Finish, &lease).await,
        JobStatus::Failed => {
            let outcome = Outcome::Failed {
                result: result(Verdict::InternalError),
                error: "x".to_owned(),
            };
            assert_eq!(store.finish(&lease, outcome).await.unwrap(), Finish::Accepted);
        }
        JobStatus::Cancelled => {
            let outcome = Outcome::Cancelled(result(Verdict::Cancelled));
            assert_eq!(store.finish(&lease, outcome).await.unwrap(), Finish::Accepted);
        }
    }
    assert_eq!(status(store, lease.job).await, state);
    lease
}

async fn take(store: &dyn JobStore, step: Step, lease: &Lease) {
    match step {
        Step::Claim => drop(try_claim(store).await),
        Step::Renew => drop(store.renew(lease).await.unwrap()),
        Step::Finish => drop(store.finish(lease, completed()).await.unwrap()),
        Step::Release => drop(store.release(lease).await.unwrap()),
        Step::Retry => drop(store.retry(lease, "x").await.unwrap()),
        Step::Cancel => drop(store.cancel(lease.job).await.unwrap()),
        Step::Reap => drop(store.reap().await.unwrap()),
        Step::Audit => drop(store.audit().await.unwrap()),
    }
}

/// Leaves nothing behind for the next job to meet.
async fn end(store: &dyn JobStore, lease: &Lease) {
    store.cancel(lease.job).await.unwrap();
    store.reap().await.unwrap();
    assert!(status(store, lease.job).await.is_terminal());
}

pub async fn a_finished_job_expires_without_a_trace(factory: &dyn StoreFactory) {
    let store = &*factory
        .open(&settings(|queue| queue.result_ttl = Duration::from_millis(50)))
        .await;
    let (finished, cancelled) = (submit(store).await, submit(store).await);
    let lease = claim(store).await.lease;
    store.finish(&lease, completed()).await.unwrap();
    store.cancel(cancelled).await.unwrap();
    let start = Instant::now();
    for id in [finished, cancelled] {
        while store.get(id).await.unwrap().is_some() {
            pause(start, "the record expires").await;
        }
        assert_eq!(store.cancel(id).await.unwrap(), Cancel::NotFound);
    }
    assert_eq!(store.finish(&lease, completed()).await.unwrap(), Finish::Refused);
    assert_eq!(store.totals().await.unwrap().stored_bytes, 0);
    assert_eq!(depth(store).await.waiting() + depth(store).await.running, 0);
}

pub async fn a_result_comes_back_unchanged(factory: &dyn StoreFactory) {
    let store = &*factory.open(&settings(|_| ())).await;
    let id = submit(store).await;
    let lease = claim(store).await.lease;
    let odd = "\0 \u{1} \u{fffd} \u{1F600} \" \\ \r\n";
    let test = TestResult {
        test_id: u64::MAX,
        passed: false,
        verdict: Verdict::RuntimeError,
        stdout: odd.to_owned(),
        stderr: "x".repeat(1 << 20),
        stdout_base64: Some(optimus_common::payload::Base64Bytes((0..=255).collect())),
        stderr_base64: None,
        execution_time_ms: 14,
        cpu_time_ms: 11,
        peak_memory_bytes: 1 << 40,
        exit_code: Some(-1),
        signal: Some("SIGSEGV".to_owned()),
        stdout_truncated: true,
        stderr_truncated: false,
        message: Some(odd.to_owned()),
        evidence: Some(Box::new(evidence())),
    };
    let result = JobResult {
        overall_status: OverallStatus::Failed,
        verdict: Verdict::RuntimeError,
        score: Some(1.0 / 3.0),
        total_tests: 1,
        passed_tests: 0,
        entry_point: Some(odd.to_owned()),
        compile: Some(CompileResult {
            stdout_truncated: false,
            stderr_truncated: false,
            verdict: CompileVerdict::Ok,
            stdout: odd.to_owned(),
            stderr: String::new(),
            execution_time_ms: 1,
            cpu_time_ms: 2,
            peak_memory_bytes: 3,
            message: None,
            evidence: None,
        }),
        test_results: vec![test],
    };
    assert_eq!(
        store
            .finish(&lease, Outcome::Completed(result.clone()))
            .await
            .unwrap(),
        Finish::Accepted
    );
    assert_eq!(record(store, id).await.result, Some(result));
}

fn evidence() -> RunEvidence {
    let facts = |end, waited_for_cpu| RunFacts {
        end,
        cpu_time: Duration::from_micros(1_000_001),
        cpu_time_from: MeasuredBy::Cgroup,
        wall_time: Duration::from_secs(3),
        waited_for_cpu,
        waited_for_io: waited_for_cpu,
        held: Duration::from_millis(7),
        peak_memory_bytes: u64::MAX,
        peak_memory_from: MeasuredBy::Files,
        oom_kills: 1,
        process_limit_hits: 2,
        stdout_bytes: 3,
        stderr_bytes: 4,
    };
    RunEvidence {
        facts: facts(RunEnd::Signalled { signal: 11 }, None),
        limits: Limits {
            cpu_time: Duration::from_secs(1),
            wall_time: Duration::from_secs(3),
            memory_bytes: 64 << 20,
            output_bytes: 100,
            processes: 8,
            open_files: 64,
            file_size_bytes: 1 << 20,
        },
        earlier: Some(facts(RunEnd::Exited { code: 0 }, Some(Duration::ZERO))),
    }
}
