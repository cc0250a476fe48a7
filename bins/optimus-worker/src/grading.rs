//! Carries what the engine asks for to a box, and what happens there back to the engine. Nothing is decided here.

use std::{mem, pin::pin, time::Duration};

use futures_util::{FutureExt, future::Fuse};
use optimus_common::result::JobResult;
use optimus_judge::{
    engine::{self, Action, BoxId, Engine, EngineError, Execution, Purpose, Reads},
    plan::JobPlan,
};
use optimus_protocol::Exited;
use optimus_sandbox::session::{BoxSession, Event, Input, Sender, Session, SessionError};
use tokio::time::{Instant, sleep_until, timeout};
use tracing::debug;

use crate::observer::Observer;

/// How long a box whose input is closed may still say why.
pub(crate) const BOX_CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Why a box gave no result. Always our failure.
#[derive(Debug, thiserror::Error)]
pub enum GradeError {
    #[error("the box failed")]
    Session(#[from] SessionError),
    #[error("the box reported something impossible")]
    Report(#[from] EngineError),
    /// The agent ends every step at its limits, so a step without an end means that it does not work.
    #[error("the box did not report the end of a step within {} s", .0.as_secs())]
    Stalled(Duration),
    #[error("comparing the outputs took longer than {} ms (worker.max_checking_ms)", .0.as_millis())]
    Checking(Duration),
}

/// What is done here with what a box reports. It is the box that waits meanwhile, and nothing but this bounds it.
#[derive(Debug)]
pub(crate) struct Work {
    most: Duration,
    all: Duration,
    /// Since the box was last waited for.
    pub(crate) lately: Duration,
}

impl Work {
    pub(crate) fn new(most: Duration) -> Self {
        Self {
            most,
            all: Duration::ZERO,
            lately: Duration::ZERO,
        }
    }

    /// Tells an engine what happened.
    pub(crate) fn tell(
        &mut self,
        handle: impl FnOnce() -> Result<(), EngineError>,
    ) -> Result<(), GradeError> {
        let began = std::time::Instant::now();
        handle()?;
        let took = began.elapsed();
        self.all += took;
        self.lately += took;
        if self.all > self.most {
            return Err(GradeError::Checking(self.most));
        }
        Ok(())
    }
}

/// Gives a box its job and carries on until the engine has the result. `at_work` is the box from then on; `observer` is told
/// what it reports.
pub(crate) async fn grade(
    session: Session,
    at_work: &mut Option<BoxSession>,
    mut engine: Engine<'_>,
    plan: &JobPlan,
    most_checking: Duration,
    mut observer: Option<Observer<'_>>,
) -> Result<JobResult, GradeError> {
    let mut allowed = engine.longest_silence();
    let session = at_work.insert(session.begin(plan.parallel).await?);
    let (sender, mut receiver) = session.split();
    // The sender is where it is used: here, or in what is being sent.
    let mut idle = Some(sender);
    let mut sending = pin!(Fuse::terminated());
    let mut send_error = None;
    let in_box = BoxId::PROGRAM;
    let mut deadline = pin!(sleep_until(Instant::now() + allowed));
    let mut work = Work::new(most_checking);

    while !engine.is_over() {
        if let Some(sender) = idle.take() {
            match engine.poll() {
                Some(action) => sending.set(send(sender, action).fuse()),
                None => idle = Some(sender),
            }
        }
        tokio::select! {
            // What can be sent goes ahead; a box that takes no more is listened to. What it says is worth more than that it is late.
            biased;
            (sender, sent) = &mut sending => match sent {
                Ok(()) => idle = Some(sender),
                Err(error) => {
                    // What the box itself says of its end is worth more than that it hears no more.
                    send_error = Some(error);
                    deadline.as_mut().reset(Instant::now() + BOX_CLOSE_TIMEOUT);
                }
            },
            event = receiver.next() => {
                let (event, place, facts) = match event? {
                    Event::Output { id, stream, data } => {
                        let (id, data) = (id.into(), &data[..]);
                        work.tell(|| engine.handle(engine::Event::Output { in_box, id, stream, data }))?;
                        continue;
                    }
                    Event::Sealed(found) => (engine::Event::Sealed { in_box, found }, None, None),
                    Event::Exited(Exited { id, facts }) => {
                        let place = engine.place_of(id.into());
                        let told = Some(facts.clone());
                        (engine::Event::Ended { in_box, id: id.into(), facts }, place, told)
                    }
                    // Nothing is read while it runs, and no file is asked for.
                    Event::InputTaken(_) | Event::StdoutClosed(_) | Event::File(_) | Event::FileData(_) => continue,
                };
                work.tell(|| engine.handle(event))?;
                if let Some(observer) = &mut observer {
                    // What was accepted and is of no test is the compile step's.
                    match (place, &facts) {
                        (Some(place), Some(facts)) => observer.ran(&engine, place, facts),
                        _ => observer.compiled(&engine, facts.as_ref()),
                    }
                }
                allowed = engine.longest_silence();
                deadline.as_mut().reset(Instant::now() + allowed);
            }
            () = deadline.as_mut() => {
                if work.lately.is_zero() {
                    return Err(send_error.map_or(GradeError::Stalled(allowed), GradeError::Session));
                }
                deadline.as_mut().reset(Instant::now() + mem::take(&mut work.lately));
            }
        }
    }
    if let Some(end) = engine.poll().filter(|_| send_error.is_none()) {
        // So that the box leaves by itself. Its tests are over, whatever becomes of that.
        let last = async {
            let sender = match idle {
                Some(sender) => sender,
                None => sending.await.0,
            };
            send(sender, end).await
        };
        let _ = timeout(BOX_CLOSE_TIMEOUT, last).await;
    }
    let result = engine.finish()?;
    if let Some(observer) = observer {
        observer.judged(work.all);
    }
    Ok(result)
}

/// Says what is to be done. The sender comes back.
async fn send<'s>(mut sender: Sender<'s>, action: Action<'_>) -> (Sender<'s>, Result<(), SessionError>) {
    let sent = match action {
        Action::Put { name, content, .. } => sender.put(name, content).await,
        Action::Prepare { folders, .. } => sender.prepare(folders).await,
        Action::Execute(Execution {
            id,
            purpose,
            command,
            wanted_bytes,
            reads,
            ..
        }) => {
            if let Purpose::TestAgain(test_id) = purpose {
                debug!(test_id, "a time-out was marginal; the test is run again");
            }
            match reads {
                Reads::Bytes(input) => {
                    let input = Input::Bytes(input);
                    sender.exec(id.into(), command, wanted_bytes, input).await
                }
                Reads::Connected => sender.exec_joined(id.into(), command).await,
            }
        }
        // A job of one box has nobody to talk to.
        Action::Connect { .. } => Ok(()),
        Action::Seal { expected, .. } => sender.seal(expected).await,
        Action::End { .. } => sender.end().await,
    };
    (sender, sent)
}
