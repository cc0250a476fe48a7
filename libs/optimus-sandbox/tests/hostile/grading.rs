//! A job in a box, judged as a worker judges it.

use optimus_common::{
    language::Language,
    result::{CompileVerdict, JobResult},
    settings::Results,
    submission::Submission,
};
use optimus_judge::{
    grade::{Grading, GradingError, Next},
    plan::{JobPlan, file_contents},
};
use optimus_protocol::OutputTag;
use optimus_sandbox::{
    BackendError,
    session::{Event, JobSession, Session, SessionError},
};
use tokio::sync::mpsc::unbounded_channel;

/// What came of a job.
#[derive(Debug)]
pub(crate) struct Graded {
    /// Or why the box failed: a worker would try the job again.
    pub(crate) result: Result<JobResult, String>,
    /// Every byte that its compile step and its tests wrote, in the order in which they came.
    pub(crate) written: Vec<u8>,
}

#[derive(Debug, thiserror::Error)]
enum GradeError {
    #[error(transparent)]
    Session(#[from] SessionError),
    #[error(transparent)]
    Grading(#[from] GradingError),
    #[error(transparent)]
    Backend(#[from] BackendError),
}

/// Runs a job's tests and grades them. `compiled` is called when there is a program.
pub(crate) async fn grade(
    session: Session,
    submission: &Submission,
    language: &Language,
    plan: &JobPlan,
    results: &Results,
    compiled: impl FnMut(),
) -> Graded {
    let mut written = Vec::new();
    let files: Vec<_> = file_contents(submission, language).collect();
    let result = async {
        let mut job = session
            .start_job(&plan.header, &files)
            .await
            .map_err(GradeError::from)?;
        let mut grading = Grading::new(submission, language, plan, results);
        let conversed = converse(&mut job, submission, &mut grading, &mut written, compiled).await;
        job.handle().destroy().await?;
        conversed?;
        Ok::<_, GradeError>(grading.finish()?)
    };
    let result = result.await.map_err(|error| format!("{error:?}"));
    Graded { result, written }
}

async fn converse(
    job: &mut JobSession,
    submission: &Submission,
    grading: &mut Grading<'_>,
    written: &mut Vec<u8>,
    mut compiled: impl FnMut(),
) -> Result<(), GradeError> {
    let (mut sender, mut receiver) = job.split();
    let (turns, mut may_be_sent) = unbounded_channel();
    let mut left = submission.test_cases.len();
    for run in (0_u32..).take(left) {
        let _ = turns.send(run);
    }
    let mut sending = Some(Box::pin(async move {
        while let Some(run) = may_be_sent.recv().await {
            let test = &submission.test_cases[run as usize];
            sender.test(run, test.input()).await?;
        }
        Ok(())
    }));
    let mut send_error = None;
    while left > 0 {
        tokio::select! {
            event = receiver.next() => match event.map_err(|error| send_error.take().unwrap_or(error))? {
                Event::Output { step, stream, data } => {
                    written.extend_from_slice(&data);
                    grading.output(OutputTag { step, stream }, &data)?;
                }
                Event::CompileDone(done) => {
                    if grading.compile_done(done)? == CompileVerdict::CompilationError {
                        break;
                    }
                    compiled();
                }
                Event::RunDone(done) => match grading.run_done(&done)? {
                    Next::Verdict(_) => left -= 1,
                    Next::SecondTry => drop(turns.send(done.run)),
                },
            },
            sent = async { sending.as_mut().expect("guarded by the condition").await }, if sending.is_some() => {
                sending = None;
                send_error = sent.err();
            }
        }
    }
    Ok(())
}
