//! A job in a box, judged as a worker judges it.

use std::pin::pin;

use futures_util::{FutureExt, future::Fuse};
use optimus_common::{language::Language, result::JobResult, submission::Submission};
use optimus_judge::{
    engine::{self, Action, BoxId, Engine, EngineError, Execution, Reads},
    plan::JobPlan,
    settings::ResultSettings,
};
use optimus_protocol::Exited;
use optimus_sandbox::{
    BackendError,
    session::{BoxSession, Event, Input, Sender, Session, SessionError},
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
    results: &ResultSettings,
    compiled: impl FnMut(),
) -> Graded {
    let mut written = Vec::new();
    let result = async {
        let mut engine = Engine::new(submission, language, plan, results);
        let started = session.begin(plan.parallel).await;
        let mut at_work = started.map_err(GradeError::from)?;
        let conversed = converse(&mut at_work, &mut engine, &mut written, compiled).await;
        at_work.handle().destroy().await?;
        conversed?;
        Ok::<_, GradeError>(engine.finish()?)
    };
    let result = result.await.map_err(|error| format!("{error:?}"));
    Graded { result, written }
}

async fn converse(
    at_work: &mut BoxSession,
    engine: &mut Engine<'_>,
    written: &mut Vec<u8>,
    mut compiled: impl FnMut(),
) -> Result<(), GradeError> {
    let (sender, mut receiver) = at_work.split();
    let mut idle = Some(sender);
    let mut sending = pin!(Fuse::terminated());
    let mut send_error = None;
    let in_box = BoxId::PROGRAM;
    while !engine.is_over() {
        if let Some(sender) = idle.take() {
            match engine.poll() {
                Some(action) => sending.set(send(sender, action).fuse()),
                None => idle = Some(sender),
            }
        }
        tokio::select! {
            event = receiver.next() => match event.map_err(|error| send_error.take().unwrap_or(error))? {
                Event::Output { id, stream, data } => {
                    written.extend_from_slice(&data);
                    let (id, data) = (id.into(), &data[..]);
                    engine.handle(engine::Event::Output { in_box, id, stream, data })?;
                }
                Event::Sealed(found) => {
                    engine.handle(engine::Event::Sealed { in_box, found })?;
                    if !engine.is_over() {
                        compiled();
                    }
                }
                Event::Exited(Exited { id, facts }) => {
                    engine.handle(engine::Event::Ended { in_box, id: id.into(), facts })?;
                }
                other => panic!("{other:?}"),
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
        Action::Put { name, content, .. } => sender.put(name, content).await,
        Action::Prepare { folders, .. } => sender.prepare(folders).await,
        Action::Execute(Execution {
            id,
            command,
            wanted_bytes,
            reads: Reads::Bytes(input),
            ..
        }) => {
            let input = Input::Bytes(input);
            sender.exec(id.into(), command, wanted_bytes, input).await
        }
        Action::Execute(_) | Action::Connect { .. } => unreachable!("a job of one box"),
        Action::Seal { expected, .. } => sender.seal(expected).await,
        // The box is destroyed.
        Action::End { .. } => Ok(()),
    };
    (sender, sent)
}
