//! How jobs are graded, and what is told of it meanwhile.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_job_is_graded() {
    let running = Running::start();
    let id = running.put("echo").await;
    let record = running.store.until(id, JobStatus::Completed).await;
    assert_eq!(
        verdicts(&record),
        [Verdict::Accepted, Verdict::WrongAnswer, Verdict::Accepted]
    );
    assert_eq!(record.attempts, 1);
    running.leave().await;
}

#[tokio::test(start_paused = true)]
async fn the_progress_of_a_job_can_be_followed() {
    let running = Running::start();
    let id = running.put("die,late").await;
    let mut updates = running.store.follow(id, 0).await.unwrap().unwrap();
    let mut heard = Vec::new();
    while let Some(followed) = updates.next().await {
        let Followed::Update { number, update } = followed.unwrap() else {
            panic!("nothing is missing");
        };
        heard.push(update);
        assert_eq!(number, heard.len() as u64);
    }
    let [
        JobUpdate::Queued,
        JobUpdate::Progress(Progress::Started { attempt: 1 }),
        JobUpdate::Progress(Progress::Compiled {
            attempt: 1,
            verdict: CompileVerdict::Ok,
            ..
        }),
        JobUpdate::Progress(Progress::Started { attempt: 2 }),
        JobUpdate::Progress(Progress::Compiled {
            attempt: 2,
            verdict: CompileVerdict::Ok,
            ..
        }),
        runs @ ..,
        JobUpdate::Ended {
            status: JobStatus::Completed,
        },
    ] = &heard[..]
    else {
        panic!("{heard:?}");
    };
    let mut told: Vec<_> = runs
        .iter()
        .map(|run| match run {
            JobUpdate::Progress(Progress::RunDone {
                attempt: 2,
                test_id,
                verdict,
                ..
            }) => (*test_id, *verdict),
            other => panic!("{other:?}"),
        })
        .collect();
    told.sort_unstable_by_key(|(test_id, _)| *test_id);
    let verdicts = verdicts(&running.store.record(id).await);
    let expected: Vec<_> = (1..).zip(verdicts).collect();
    assert_eq!(told, expected, "each test once, with the verdict it got at last");
    running.leave().await;
}

/// What whoever looks at a job after its end can hear of it.
async fn all_that_is_heard(running: &Running, id: JobId) -> Vec<JobUpdate> {
    let mut updates = running.store.follow(id, 0).await.unwrap().unwrap();
    let mut heard = Vec::new();
    while let Some(followed) = updates.next().await {
        match followed.unwrap() {
            Followed::Update { update, .. } => heard.push(update),
            Followed::Missed => panic!("nothing is missing"),
        }
    }
    heard
}

#[tokio::test(start_paused = true)]
async fn progress_arrives_before_the_end_of_its_attempt() {
    let running = Running::start();
    let id = running.put("die,late").await;
    running.store.until(id, JobStatus::Completed).await;
    let heard = all_that_is_heard(&running, id).await;
    let attempts = heard.iter().filter_map(|update| match update {
        JobUpdate::Progress(
            Progress::Started { attempt }
            | Progress::Compiled { attempt, .. }
            | Progress::RunDone { attempt, .. },
        ) => Some(*attempt),
        JobUpdate::Queued | JobUpdate::Ended { .. } => None,
    });
    assert_eq!(attempts.collect::<Vec<_>>(), [1, 1, 2, 2, 2, 2, 2], "{heard:?}");
    running.leave().await;
}

/// A submission that wants to stop fails its second test, and never gets to its third.
async fn stops_at_the_second_test(running: &Running, program: &str, begun: usize) -> JobRecord {
    let mut submission = fakes::submission(program, &[("a", "a"), ("b", "c"), ("d", "d")]);
    submission.stop_on_failure = true;
    let record = running.graded(submission).await;
    assert_eq!(
        verdicts(&record),
        [Verdict::Accepted, Verdict::WrongAnswer, Verdict::Skipped]
    );
    assert_eq!(running.backend.tests_begun(), begun);
    record
}

#[tokio::test(start_paused = true)]
async fn tests_after_a_failure_are_never_sent_where_the_submission_wants_to_stop() {
    let running = Running::start();
    stops_at_the_second_test(&running, "echo", 2).await;
    running.leave().await;
}

#[tokio::test(start_paused = true)]
async fn only_what_was_right_but_late_is_tried_again() {
    let running = Running::start();
    let mut submission = fakes::submission("late", &[("a", "a"), ("b", "c"), ("d", "d")]);
    let record = running.graded(submission.clone()).await;
    assert_eq!(
        verdicts(&record),
        [Verdict::Accepted, Verdict::TimeLimitExceeded, Verdict::Accepted]
    );
    assert_eq!(tried_again(record), [true, false, true]);
    assert_eq!(running.backend.tests_begun(), 5);
    submission.stop_on_failure = true;
    let record = running.graded(submission).await;
    assert_eq!(
        verdicts(&record),
        [Verdict::Accepted, Verdict::TimeLimitExceeded, Verdict::Skipped]
    );
    assert_eq!(tried_again(record), [true, false, false]);
    assert_eq!(running.backend.tests_begun(), 8);
    running.leave().await;
}

fn tried_again(record: JobRecord) -> Vec<bool> {
    let tests = record.result.unwrap().test_results;
    let evidence = tests.iter().map(|test| test.evidence.as_ref());
    evidence
        .map(|evidence| evidence.is_some_and(|evidence| evidence.earlier.is_some()))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_job_is_cancelled_in_a_second_try() {
    let running = Running::start();
    let id = running.put("later").await;
    running.backend.until_tried_again().await;
    let asked = Instant::now();
    running.store.cancel(id).await.unwrap();
    let record = running.store.until(id, JobStatus::Cancelled).await;
    assert!(asked.elapsed() < Duration::from_secs(1));
    assert_eq!(record.result.unwrap().verdict, Verdict::Cancelled);
    running.leave().await;
}

#[tokio::test(start_paused = true)]
async fn an_input_larger_than_any_pipe_passes() {
    let running = Running::start();
    let input = "x\n".repeat(1 << 20);
    let record = running
        .graded(fakes::submission("echo", &[(&input, &input), ("", "")]))
        .await;
    assert_eq!(verdicts(&record), [Verdict::Accepted, Verdict::Accepted]);
    running.leave().await;
}

#[tokio::test(start_paused = true)]
async fn a_box_is_grown_only_for_a_job_that_needs_more_memory() {
    let running = Running::start();
    running.graded(fakes::submission("echo", &[("", "")])).await;
    assert!(running.backend.grown().is_empty());
    let mut submission = fakes::submission("echo", &[("", "")]);
    submission.memory_limit_mb = Some(1024);
    running.graded(submission).await;
    assert!(matches!(running.backend.grown()[..], [bytes] if bytes > 1024 << 20));
    running.leave().await;
}
