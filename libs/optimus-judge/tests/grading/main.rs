//! Whole jobs, from what their boxes report to their results.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails as the test itself does"
)]

mod compiling;
mod driver;
mod second_tries;

use std::time::Duration;

use optimus_common::{
    facts::{LimitKind, MeasuredBy, RunEnd, RunFacts},
    language::Language,
    result::{CompileVerdict, JobResult, OverallStatus, Verdict},
    submission::Submission,
};
use optimus_judge::{
    engine::{EngineError, ExecutionId},
    plan::JobPlan,
    settings::ResultSettings,
};
use optimus_protocol::Stream;
use optimus_testkit::languages;
use proptest::prelude::*;

use driver::{CompileDone, Grading, JobStep, Next, OutputTag, RunDone};

/// What a grading borrows.
struct Job {
    submission: Submission,
    language: Language,
    plan: JobPlan,
    results: ResultSettings,
}

impl Job {
    /// Three tests that expect `1`, `2` and `3`, worth 1, 2 and 5 points.
    fn new(options: &str) -> Self {
        let json = format!(
            r#"{{"language": "cpp", "source_code": "", "test_cases": [
                {{"id": 10, "expected_output": "1", "points": 1}},
                {{"id": 20, "expected_output": "2", "points": 2}},
                {{"id": 30, "expected_output": "3", "points": 5}}
            ] {options}}}"#
        );
        let submission = from_json(&json);
        let language = languages::cpp();
        let limits = optimus_settings::defaults_of("limits");
        let results = optimus_settings::defaults_of("results");
        let plan = JobPlan::new(&submission, &language, &limits).unwrap();
        Self {
            submission,
            language,
            plan,
            results,
        }
    }

    fn grading(&self) -> Grading<'_> {
        Grading::new(&self.submission, &self.language, &self.plan, &self.results)
    }

    fn compiled(&self) -> Grading<'_> {
        let mut grading = self.grading();
        let done = CompileDone {
            program_missing: false,
            too_many_entries: false,
            facts: Some(facts(RunEnd::Exited { code: 0 })),
        };
        assert_eq!(grading.compile_done(done), Ok(CompileVerdict::Ok));
        grading
    }
}

fn from_json<T: serde::de::DeserializeOwned>(json: &str) -> T {
    serde_json::from_str(json).unwrap()
}

fn facts(end: RunEnd) -> RunFacts {
    RunFacts {
        end,
        cpu_time: Duration::from_micros(1999),
        cpu_time_from: MeasuredBy::Cgroup,
        wall_time: Duration::from_millis(3),
        waited_for_cpu: None,
        waited_for_io: None,
        held: Duration::ZERO,
        peak_memory_bytes: 4096,
        peak_memory_from: MeasuredBy::Cgroup,
        oom_kills: 0,
        process_limit_hits: 0,
        stdout_bytes: 0,
        stderr_bytes: 0,
    }
}

fn tag(run: u32, stream: Stream) -> OutputTag {
    OutputTag {
        step: JobStep::Run(run),
        stream,
    }
}

/// A whole run that ends well.
fn run(grading: &mut Grading<'_>, run: u32, stdout: &str) -> Verdict {
    end(grading, run, RunEnd::Exited { code: 0 }, stdout, "")
}

fn end(grading: &mut Grading<'_>, run: u32, end: RunEnd, stdout: &str, stderr: &str) -> Verdict {
    grading
        .output(tag(run, Stream::Stderr), stderr.as_bytes())
        .unwrap();
    grading
        .output(tag(run, Stream::Stdout), stdout.as_bytes())
        .unwrap();
    let facts = RunFacts {
        stdout_bytes: stdout.len() as u64,
        stderr_bytes: stderr.len() as u64,
        ..facts(end)
    };
    match grading.run_done(&RunDone { run, facts }).unwrap() {
        Next::Verdict(verdict) => verdict,
        Next::SecondTry => panic!("it was in time"),
    }
}

fn verdicts(result: &JobResult) -> Vec<Verdict> {
    result.test_results.iter().map(|test| test.verdict).collect()
}

fn assert_score(result: &JobResult, expected: f64) {
    let score = result.score.unwrap();
    assert!((score - expected).abs() < 1e-12, "{score} instead of {expected}");
}

#[test]
fn a_job_whose_tests_are_all_accepted_succeeds() {
    let job = Job::new("");
    let mut grading = job.compiled();
    for (i, output) in ["1\n", "2\n", "3\n"].into_iter().enumerate() {
        assert_eq!(
            run(&mut grading, i.try_into().unwrap(), output),
            Verdict::Accepted
        );
    }
    assert!(grading.is_over());
    let result = grading.finish().unwrap();
    assert_eq!(result.overall_status, OverallStatus::Success);
    assert_eq!(result.verdict, Verdict::Accepted);
    assert_eq!((result.total_tests, result.passed_tests), (3, 3));
    assert_eq!(result.score.map(f64::to_bits), Some(1.0_f64.to_bits()));
    let test = &result.test_results[1];
    assert_eq!((test.test_id, test.passed, test.exit_code), (20, true, Some(0)));
    assert_eq!(
        (test.stdout.as_str(), test.stdout_truncated, &test.message),
        ("2\n", false, &None)
    );
    assert_eq!(
        (test.cpu_time_ms, test.execution_time_ms, test.peak_memory_bytes),
        (1, 3, 4096)
    );
}

#[test]
fn the_message_of_a_hidden_test_tells_neither_places_nor_values() {
    for (options, hidden, told) in [
        ("", false, true),
        ("", true, false),
        (r#", "message_detail": "full""#, true, true),
        (r#", "message_detail": "verdict_only""#, false, false),
    ] {
        let mut job = Job::new(options);
        job.submission.test_cases[0].hidden = hidden;
        let mut grading = job.compiled();
        assert_eq!(run(&mut grading, 0, "wrong"), Verdict::WrongAnswer);
        end(&mut grading, 1, RunEnd::Exited { code: 3 }, "", "");
        run(&mut grading, 2, "3");
        let result = grading.finish().unwrap();
        assert_eq!(
            result.test_results[0].message.is_some(),
            told,
            "{options} {hidden}"
        );
        let died = result.test_results[1].message.as_deref();
        assert_eq!(died, Some("exited with code 3"), "nothing expected shows in it");
    }
}

#[test]
fn the_jobs_verdict_is_that_of_the_first_test_in_order_that_is_not_accepted() {
    let job = Job::new("");
    let mut grading = job.compiled();
    // Ends come in any order where tests run in parallel.
    run(&mut grading, 2, "wrong");
    run(&mut grading, 0, "1");
    end(&mut grading, 1, RunEnd::Signalled { signal: 11 }, "2", "oops");
    let result = grading.finish().unwrap();
    assert_eq!(result.overall_status, OverallStatus::Failed);
    assert_eq!(result.verdict, Verdict::RuntimeError);
    assert_eq!(
        verdicts(&result),
        [Verdict::Accepted, Verdict::RuntimeError, Verdict::WrongAnswer]
    );
    assert_eq!(result.passed_tests, 1);
    assert_score(&result, 1.0 / 8.0);
    let died = &result.test_results[1];
    assert_eq!(
        (died.exit_code, died.signal.as_deref(), died.stderr.as_str()),
        (None, Some("SIGSEGV"), "oops")
    );
}

#[test]
fn a_runtime_out_of_memory_is_known_by_what_it_wrote_last_and_what_it_used() {
    let job = Job::new(r#", "memory_limit_mb": 64"#);
    let long = "x".repeat(1 << 20) + "\nterminate called: std::bad_alloc\n";
    for (peak_mb, verdict) in [(22, Verdict::MemoryLimitExceeded), (21, Verdict::RuntimeError)] {
        let mut grading = job.compiled();
        grading.output(tag(0, Stream::Stderr), long.as_bytes()).unwrap();
        let facts = RunFacts {
            stderr_bytes: long.len() as u64,
            peak_memory_bytes: peak_mb << 20,
            ..facts(RunEnd::Signalled { signal: 6 })
        };
        let judged = grading.run_done(&RunDone { run: 0, facts });
        assert_eq!(judged, Ok(Next::Verdict(verdict)));
    }
}

#[test]
fn tests_after_the_first_failure_are_skipped_on_request_and_never_begun() {
    let job = Job::new(r#", "stop_on_failure": true"#);
    let mut grading = job.compiled();
    run(&mut grading, 0, "1");
    assert!(!grading.is_over());
    run(&mut grading, 1, "wrong");
    assert!(grading.is_over());
    let third = grading.execution(2);
    assert_eq!(
        grading.output(tag(2, Stream::Stdout), b"3"),
        Err(EngineError::Unexpected(third))
    );

    let mut grading = job.compiled();
    run(&mut grading, 0, "1");
    run(&mut grading, 1, "wrong");
    let result = grading.finish().unwrap();
    assert_eq!(
        verdicts(&result),
        [Verdict::Accepted, Verdict::WrongAnswer, Verdict::Skipped]
    );
    assert_eq!(result.verdict, Verdict::WrongAnswer);
    assert_eq!(result.test_results[2].test_id, 30);
    assert_score(&result, 1.0 / 8.0);
}

#[test]
fn a_test_before_the_first_failure_is_never_skipped() {
    let job = Job::new(r#", "stop_on_failure": true"#);
    let mut grading = job.compiled();
    run(&mut grading, 0, "1");
    assert_eq!(grading.finish(), Err(EngineError::TestMissing(20)));
}

#[test]
fn what_a_sound_box_would_not_report_fails_the_job() {
    let job = Job::new("");
    let done = |run| RunDone {
        run,
        facts: facts(RunEnd::Exited { code: 0 }),
    };
    let compiled = |facts| CompileDone {
        program_missing: false,
        too_many_entries: false,
        facts,
    };
    let ended_well = || compiled(Some(facts(RunEnd::Exited { code: 0 })));

    assert_eq!(job.grading().finish(), Err(EngineError::NotCompiled));
    let mut early = job.grading();
    let first = early.execution(0);
    assert_eq!(early.run_done(&done(0)), Err(EngineError::Unexpected(first)));
    assert_eq!(
        job.grading().compile_done(compiled(None)),
        Err(EngineError::UnexpectedSeal)
    );
    let not_started = facts(RunEnd::NotStarted {
        error: "no g++".to_owned(),
    });
    let error = job.grading().compile_done(compiled(Some(not_started)));
    assert_eq!(error, Err(EngineError::CompilerNotStarted("no g++".to_owned())));
    let mut twice = job.compiled();
    let again = twice.compile_done(ended_well());
    assert_eq!(again, Err(EngineError::Unexpected(ExecutionId::COMPILE)));
    assert_eq!(
        job.compiled().compile_done(compiled(None)),
        Err(EngineError::UnexpectedSeal)
    );

    let mut unasked = job.compiled();
    let fourth = unasked.execution(3);
    assert_eq!(unasked.run_done(&done(3)), Err(EngineError::Unexpected(fourth)));
    let mut unasked = job.compiled();
    assert_eq!(
        unasked.output(tag(3, Stream::Stdout), b"x"),
        Err(EngineError::Unexpected(fourth))
    );
    let first = job.compiled().execution(0);
    let mut ended = job.compiled();
    ended.run_done(&done(0)).unwrap();
    assert_eq!(ended.run_done(&done(0)), Err(EngineError::Unexpected(first)));
    let mut ended = job.compiled();
    ended.run_done(&done(0)).unwrap();
    assert_eq!(
        ended.output(tag(0, Stream::Stdout), b"x"),
        Err(EngineError::Unexpected(first))
    );
    // Nothing that is said afterwards makes up for it.
    assert_eq!(ended.run_done(&done(1)), Err(EngineError::Unexpected(first)));
    assert_eq!(ended.finish(), Err(EngineError::Unexpected(first)));
    let mut left = job.compiled();
    left.run_done(&done(0)).unwrap();
    assert_eq!(left.finish(), Err(EngineError::TestMissing(20)));
}

#[test]
fn lost_output_is_no_wrong_answer() {
    let job = Job::new(r#", "output_limit_bytes": 10"#);
    let done = |stdout_bytes, end| RunDone {
        run: 0,
        facts: RunFacts {
            stdout_bytes,
            ..facts(end)
        },
    };
    for (sent, written) in [(0, 1), (9, 10), (9, 11), (5, 4)] {
        let mut grading = job.compiled();
        grading.output(tag(0, Stream::Stdout), &vec![b'x'; sent]).unwrap();
        let error = grading
            .run_done(&done(written, RunEnd::Exited { code: 0 }))
            .unwrap_err();
        assert!(
            matches!(error, EngineError::LostOutput { id, .. } if id == grading.execution(0)),
            "{error}"
        );
    }
    // Nobody needs the byte that was over the limit.
    for sent in [10, 11] {
        let mut grading = job.compiled();
        grading.output(tag(0, Stream::Stdout), &vec![b'x'; sent]).unwrap();
        let verdict = grading.run_done(&done(
            11,
            RunEnd::Killed {
                limit: LimitKind::Output,
            },
        ));
        assert_eq!(verdict, Ok(Next::Verdict(Verdict::OutputLimitExceeded)));
    }
}

#[test]
fn the_checker_sees_all_of_a_stream_of_which_the_result_shows_little() {
    let mut job = Job::new("");
    let long = "y".repeat(5000);
    job.submission.test_cases.truncate(1);
    job.submission.test_cases[0].expected_output = Some(long.clone());
    job.results.max_stream_bytes = 100;
    let mut grading = job.compiled();
    assert_eq!(run(&mut grading, 0, &long), Verdict::Accepted);
    let mut result = grading.finish().unwrap();
    let test = result.test_results.remove(0);
    assert_eq!(
        (test.stdout.len(), test.stdout_truncated, test.stderr_truncated),
        (100, true, false)
    );

    let mut grading = job.compiled();
    assert_eq!(run(&mut grading, 0, &(long + "!")), Verdict::WrongAnswer);
}

#[test]
fn all_streams_of_a_job_together_are_bounded() {
    let mut job = Job::new("");
    job.results.max_job_bytes = 8 * 25;
    let mut grading = job.compiled();
    for i in 0..3 {
        end(
            &mut grading,
            i,
            RunEnd::Exited { code: 0 },
            &"o".repeat(1000),
            &"e".repeat(1000),
        );
    }
    let result = grading.finish().unwrap();
    for test in &result.test_results {
        assert_eq!((test.stdout.len(), test.stderr.len()), (25, 25));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_score_is_the_share_of_points_and_one_only_for_all(points in prop::collection::vec(0.0..1e9_f64, 3), right in any::<[bool; 3]>()) {
        prop_assume!(points.iter().sum::<f64>() > 0.0);
        let mut job = Job::new("");
        for (test, points) in job.submission.test_cases.iter_mut().zip(&points) {
            test.points = Some(*points);
        }
        let mut grading = job.compiled();
        for (i, right) in (0..3_u32).zip(right) {
            run(&mut grading, i, &if right { (i + 1).to_string() } else { "wrong".to_owned() });
        }
        let result = grading.finish().unwrap();
        let score = result.score.unwrap();
        prop_assert!((0.0..=1.0).contains(&score));
        prop_assert_eq!(result.overall_status == OverallStatus::Success, right == [true; 3]);
        if right == [true; 3] {
            prop_assert_eq!(score.to_bits(), 1.0_f64.to_bits());
        }
        prop_assert_eq!(usize::try_from(result.passed_tests).unwrap(), right.iter().filter(|right| **right).count());
    }
}
