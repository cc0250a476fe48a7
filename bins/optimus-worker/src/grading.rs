//! The conversation with a box about its job: tests go in ahead of the results coming out, and the judge hears
//! everything as it arrives.

use std::{pin::pin, time::Duration};

use optimus_common::{
    language::Language,
    protocol::OutputTag,
    result::{CompileVerdict, JobResult},
    settings::Results,
    submission::Submission,
};
use optimus_judge::{
    grade::{Grading, GradingError},
    plan::JobPlan,
};
use optimus_sandbox::session::{Event, JobSession, Sender, SessionError};
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep_until},
};
use tracing::debug;

/// What a box may need beside the limits of a step: to start it, to kill its tree, to clean up behind it.
const STEP_GRACE: Duration = Duration::from_secs(30);

/// How long a box whose input is closed may still say why.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Bytes a second that even a busy machine carries into a box.
const SLOWEST_INPUT: u64 = 1 << 20;

/// What is graded, and by which rules.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Task<'a> {
    pub(crate) submission: &'a Submission,
    pub(crate) language: &'a Language,
    pub(crate) plan: &'a JobPlan,
    pub(crate) results: &'a Results,
}

/// Why a box gave no result. Always our failure.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GradeError {
    #[error("the box failed")]
    Session(#[from] SessionError),
    #[error("the box reported something impossible")]
    Report(#[from] GradingError),
    /// The agent ends every step at its limits, so a step without an end means that it does not work.
    #[error("the box did not report the end of a step within {} s", .0.as_secs())]
    Stalled(Duration),
}

/// Runs the tests in a box that has got its job, and grades them.
pub(crate) async fn grade(session: &mut JobSession, task: Task<'_>) -> Result<JobResult, GradeError> {
    let mut grading = Grading::new(task.submission, task.language, task.plan, task.results);
    let tests = task.submission.test_cases.len();
    // One permit for each test that may be sent.
    let turns = Semaphore::new(if task.submission.stop_on_failure { 1 } else { tests });
    let (sender, mut receiver) = session.split();
    let mut sending = Some(Box::pin(send_tests(sender, task.submission, &turns)));
    let mut left = tests;
    let mut allowed = compile_allowance(task.plan);
    let mut deadline = pin!(sleep_until(Instant::now() + allowed));
    let mut send_error = None;

    while left > 0 && !grading.may_stop() {
        tokio::select! {
            event = receiver.next() => match event? {
                Event::Output { step, stream, data } => grading.output(OutputTag { step, stream }, &data)?,
                Event::CompileDone(done) => {
                    if grading.compile_done(done)? == CompileVerdict::CompilationError {
                        break;
                    }
                    allowed = run_allowance(task.plan);
                    deadline.as_mut().reset(Instant::now() + allowed);
                }
                Event::RunAgain(again) => {
                    debug!(run = again.run, facts = ?again.facts, "a time-out was close; the test is run again");
                    grading.run_again(&again)?;
                    deadline.as_mut().reset(Instant::now() + allowed);
                }
                Event::RunDone(done) => {
                    grading.run_done(&done)?;
                    left -= 1;
                    turns.add_permits(1);
                    deadline.as_mut().reset(Instant::now() + allowed);
                }
            },
            sent = async { sending.as_mut().expect("guarded by the condition").await }, if sending.is_some() => {
                sending = None;
                if let Err(error) = sent {
                    // What the box itself says of its end is worth more than that it hears no more.
                    send_error = Some(error);
                    deadline.as_mut().reset(Instant::now() + LAST_WORDS);
                }
            }
            () = deadline.as_mut() => {
                return Err(send_error.map_or(GradeError::Stalled(allowed), GradeError::Session));
            }
        }
    }
    Ok(grading.finish()?)
}

async fn send_tests(
    mut sender: Sender<'_>,
    submission: &Submission,
    turns: &Semaphore,
) -> Result<(), SessionError> {
    for (run, test) in (0..).zip(&submission.test_cases) {
        turns
            .acquire()
            .await
            .expect("the semaphore is never closed")
            .forget();
        sender.test(run, test.input()).await?;
    }
    sender.end().await
}

/// How long a box may be silent before its compile step ends. There is little to do where there is none.
fn compile_allowance(plan: &JobPlan) -> Duration {
    plan.header
        .compile
        .as_ref()
        .map_or(Duration::ZERO, |command| command.limits.longest_wall_time())
        + STEP_GRACE
}

/// How long a box may take from one end of a run to the next.
fn run_allowance(plan: &JobPlan) -> Duration {
    let longest = plan.header.run.limits.longest_wall_time();
    longest + STEP_GRACE + Duration::from_secs(plan.largest_input_bytes / SLOWEST_INPUT)
}
