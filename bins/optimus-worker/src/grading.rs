//! The conversation with a box about its job: tests go in ahead of the results coming out, and the judge hears
//! everything as it arrives.

use std::{mem, pin::pin, time::Duration};

use optimus_common::{
    language::Language,
    result::{CompileVerdict, JobResult},
    settings::Results,
    submission::Submission,
};
use optimus_judge::{
    grade::{Grading, GradingError, Next},
    plan::JobPlan,
};
use optimus_protocol::OutputTag;
use optimus_sandbox::session::{Event, JobSession, Sender, SessionError};
use tokio::{
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    time::{Instant, sleep_until, timeout},
};
use tracing::debug;

/// What a box may need beside the limits of a step: to start it, to kill its tree, which may take a minute on a busy machine, to clean
/// up behind it.
const STEP_GRACE: Duration = Duration::from_secs(90);

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
    /// Longest time for the checker over all tests.
    pub(crate) most_checking: Duration,
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
    #[error("comparing the outputs took longer than {} ms (worker.max_checking_ms)", .0.as_millis())]
    Checking(Duration),
}

/// What is done here with what a box reports. It is the box that waits meanwhile, and nothing but this bounds it.
#[derive(Debug)]
struct Work {
    most: Duration,
    all: Duration,
    /// Since the box was last waited for.
    lately: Duration,
}

impl Work {
    fn take<T>(&mut self, work: impl FnOnce() -> Result<T, GradingError>) -> Result<T, GradeError> {
        let began = std::time::Instant::now();
        let done = work()?;
        let took = began.elapsed();
        self.all += took;
        self.lately += took;
        if self.all > self.most {
            return Err(GradeError::Checking(self.most));
        }
        Ok(done)
    }
}

/// Runs the tests in a box that has got its job, and grades them.
pub(crate) async fn grade(session: &mut JobSession, task: Task<'_>) -> Result<JobResult, GradeError> {
    let mut grading = Grading::new(task.submission, task.language, task.plan, task.results);
    // The runs that may be sent. It stays open until none can need a second try.
    let (turns, may_be_sent) = unbounded_channel();
    let mut left = task.submission.test_cases.len();
    let mut next = (0_u32..).take(left);
    let at_once = if task.submission.stop_on_failure { 1 } else { left };
    for run in next.by_ref().take(at_once) {
        let _ = turns.send(run);
    }
    let (sender, mut receiver) = session.split();
    let mut sending = Some(Box::pin(send_tests(sender, task.submission, may_be_sent)));
    let mut allowed = compile_allowance(task.plan);
    let mut deadline = pin!(sleep_until(Instant::now() + allowed));
    let mut send_error = None;
    let mut work = Work {
        most: task.most_checking,
        all: Duration::ZERO,
        lately: Duration::ZERO,
    };

    while left > 0 && !grading.may_stop() {
        tokio::select! {
            event = receiver.next() => match event? {
                Event::Output { step, stream, data } => {
                    work.take(|| grading.output(OutputTag { step, stream }, &data))?;
                }
                Event::CompileDone(done) => {
                    if grading.compile_done(done)? == CompileVerdict::CompilationError {
                        break;
                    }
                    allowed = run_allowance(task.plan);
                    deadline.as_mut().reset(Instant::now() + allowed);
                }
                Event::RunDone(done) => {
                    let turn = match work.take(|| grading.run_done(&done))? {
                        Next::Verdict(_) => {
                            left -= 1;
                            next.next()
                        }
                        Next::SecondTry => {
                            debug!(run = done.run, facts = ?done.facts, "a time-out was close; the test is run again");
                            Some(done.run)
                        }
                    };
                    // Where nobody sends any more, the box is about to say why.
                    if let Some(run) = turn {
                        let _ = turns.send(run);
                    }
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
                if work.lately.is_zero() {
                    return Err(send_error.map_or(GradeError::Stalled(allowed), GradeError::Session));
                }
                deadline.as_mut().reset(Instant::now() + mem::take(&mut work.lately));
            }
        }
    }
    drop(turns);
    if let Some(sending) = sending.filter(|_| left == 0) {
        // So that the box leaves by itself. Its tests are over, whatever becomes of that.
        let _ = timeout(LAST_WORDS, sending).await;
    }
    Ok(grading.finish()?)
}

/// Sends the tests whose turn it is, and the end when none can come any more.
async fn send_tests(
    mut sender: Sender<'_>,
    submission: &Submission,
    mut turns: UnboundedReceiver<u32>,
) -> Result<(), SessionError> {
    while let Some(run) = turns.recv().await {
        let test = &submission.test_cases[run as usize];
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
    let limits = &plan.header.run.limits;
    limits.longest_wall_time() + STEP_GRACE + Duration::from_secs(plan.largest_input_bytes / SLOWEST_INPUT)
}
