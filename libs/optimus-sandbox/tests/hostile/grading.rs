//! A job in a box, judged as a worker judges it.

use std::pin::pin;

use futures_util::{FutureExt, future::Fuse};
use optimus_common::{language::Language, result::JobResult, settings::Results, submission::Submission};
use optimus_judge::{
    engine::{self, Action, BoxId, Engine, EngineError, Execution, Workdir},
    plan::JobPlan,
};
use optimus_sandbox::{
    BackendError,
    session::{Event, JobSession, Sender, Session, SessionError},
};

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
    Engine(#[from] EngineError),
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
    let result = async {
        let mut engine = Engine::new(submission, language, plan, results);
        let mut contents = Vec::new();
        let mut action = engine.poll();
        while let Some(Action::Put { content, .. }) = action {
            contents.push(content);
            action = engine.poll();
        }
        let started = session.start_job(&plan.header, &contents).await;
        let mut job = started.map_err(GradeError::from)?;
        let conversed = converse(&mut job, &mut engine, action, &mut written, compiled).await;
        job.handle().destroy().await?;
        conversed?;
        Ok::<_, GradeError>(engine.finish()?)
    };
    let result = result.await.map_err(|error| format!("{error:?}"));
    Graded { result, written }
}

async fn converse<'a>(
    job: &mut JobSession,
    engine: &mut Engine<'a>,
    mut action: Option<Action<'a>>,
    written: &mut Vec<u8>,
    mut compiled: impl FnMut(),
) -> Result<(), GradeError> {
    let (sender, mut receiver) = job.split();
    let mut idle = Some(sender);
    let mut sending = pin!(Fuse::terminated());
    let mut send_error = None;
    while !engine.is_over() {
        if let Some(sender) = idle.take() {
            match action.take().or_else(|| engine.poll()) {
                Some(action) => sending.set(send(sender, action).fuse()),
                None => idle = Some(sender),
            }
        }
        tokio::select! {
            event = receiver.next() => match event.map_err(|error| send_error.take().unwrap_or(error))? {
                Event::Output { step, stream, data } => {
                    written.extend_from_slice(&data);
                    let (in_box, id, data) = (BoxId::PROGRAM, step.into(), &data[..]);
                    engine.handle(engine::Event::Output { in_box, id, stream, data })?;
                }
                Event::CompileDone(done) => {
                    engine.handle(engine::Event::compile_done(BoxId::PROGRAM, done))?;
                    if !engine.is_over() {
                        compiled();
                    }
                }
                Event::RunDone(done) => engine.handle(engine::Event::run_done(BoxId::PROGRAM, done))?,
            },
            (sender, sent) = &mut sending => match sent {
                Ok(()) => idle = Some(sender),
                Err(error) => send_error = Some(error),
            },
        }
    }
    Ok(())
}

async fn send<'s>(mut sender: Sender<'s>, action: Action<'_>) -> (Sender<'s>, Result<(), SessionError>) {
    let sent = match action {
        Action::Execute(Execution {
            id,
            input,
            workdir: Workdir::Fresh,
            ..
        }) => sender.test(id.run(), input).await,
        // The job's header has said it.
        Action::Execute(_) | Action::Put { .. } | Action::End { .. } => Ok(()),
    };
    (sender, sent)
}
