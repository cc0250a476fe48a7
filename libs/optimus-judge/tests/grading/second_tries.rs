//! Tests that are run again.

use std::time::Duration;

use optimus_common::{
    facts::{LimitKind, RunEnd, RunFacts},
    result::Verdict,
};
use optimus_judge::engine::EngineError;
use optimus_protocol::Stream;

use crate::{
    Job,
    driver::{Grading, Next, RunDone},
    facts, run, tag,
};

/// The end of a run that took this much CPU time, of a limit of 5 s.
fn after(
    grading: &mut Grading<'_>,
    run: u32,
    cpu_time: Duration,
    stdout: &str,
    change: impl FnOnce(&mut RunFacts),
) -> Result<Next, EngineError> {
    if !stdout.is_empty() {
        grading.output(tag(run, Stream::Stdout), stdout.as_bytes())?;
    }
    let mut facts = RunFacts {
        cpu_time,
        stdout_bytes: stdout.len() as u64,
        ..facts(RunEnd::Exited { code: 0 })
    };
    change(&mut facts);
    grading.run_done(&RunDone { run, facts })
}

const CLOSE: Duration = Duration::from_millis(5400);

#[test]
fn of_a_test_that_is_run_again_the_second_try_decides() {
    let job = Job::new("");
    let mut grading = job.compiled();
    for run in 0..3 {
        let right = (run + 1).to_string();
        assert_eq!(
            after(&mut grading, run, CLOSE, &right, |_| {}),
            Ok(Next::SecondTry)
        );
    }
    assert_eq!(run(&mut grading, 1, "2"), Verdict::Accepted);
    // What the first one printed is void.
    assert_eq!(run(&mut grading, 0, ""), Verdict::WrongAnswer);
    assert_eq!(
        after(&mut grading, 2, CLOSE, "3", |_| {}),
        Ok(Next::Verdict(Verdict::TimeLimitExceeded)),
        "there is no third try"
    );
    assert!(grading.is_over());
    let result = grading.finish().unwrap();
    let test = &result.test_results[1];
    assert_eq!((test.stdout.as_str(), test.exit_code), ("2", Some(0)));
    let evidence = test.evidence.as_deref().unwrap();
    assert_eq!(evidence.limits, job.plan.run.limits);
    assert!(evidence.facts.cpu_time < CLOSE);
    let earlier = evidence.earlier.as_ref().unwrap();
    assert_eq!((earlier.stdout_bytes, earlier.cpu_time), (1, CLOSE));
}

/// Or the first try could do a part of the work, whatever it is worth, and tell the second one where to go on.
#[test]
fn only_what_would_have_been_accepted_but_for_the_time_is_run_again() {
    let job = Job::new("");
    let limit = job.plan.run.limits;
    let late = Ok(Next::Verdict(Verdict::TimeLimitExceeded));
    let tried = |cpu_time, stdout, change: &dyn Fn(&mut RunFacts)| {
        let mut grading = job.compiled();
        let next = after(&mut grading, 1, cpu_time, stdout, change);
        assert!(next == Ok(Next::SecondTry) || after(&mut grading, 1, cpu_time, stdout, change).is_err());
        next
    };
    assert_eq!(tried(CLOSE, "2", &|_| {}), Ok(Next::SecondTry));
    assert_eq!(
        tried(limit.cpu_time, "2", &|_| {}),
        Ok(Next::Verdict(Verdict::Accepted))
    );
    assert_eq!(tried(CLOSE + CLOSE, "2", &|_| {}), late);
    for wrong in ["", "1", "2 and more"] {
        assert_eq!(tried(CLOSE, wrong, &|_| {}), late, "{wrong:?}");
    }
    for end in [
        RunEnd::Exited { code: 1 },
        RunEnd::Signalled { signal: 11 },
        RunEnd::Killed {
            limit: LimitKind::WallTime,
        },
    ] {
        assert_eq!(tried(CLOSE, "2", &|facts| facts.end = end.clone()), late);
    }
    assert_eq!(
        tried(CLOSE, "2", &|facts| facts.peak_memory_bytes =
            limit.memory_bytes + 1),
        Ok(Next::Verdict(Verdict::MemoryLimitExceeded))
    );
}

#[test]
fn a_first_try_must_be_whole() {
    let job = Job::new("");
    let mut grading = job.compiled();
    let lost = after(&mut grading, 1, CLOSE, "2", |facts| facts.stdout_bytes = 2);
    assert!(matches!(lost, Err(EngineError::LostOutput { .. })), "{lost:?}");
}
