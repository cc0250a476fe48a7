//! Carries what the engine of two programs asks for to their boxes, what happens there back to it, and what one program prints to
//! the other one. Nothing is decided here.
//!
//! Unlike in `grading` nothing is ever sent ahead of what a box takes: both boxes read on all the time, since none
//! has more to execute than it has places, so what is sent is waited for, up to the deadline of everything.

use std::{mem, time::Duration};

use optimus_judge::engine::{self, Action, BoxId, Endpoint, Execution, PairEngine, PairResult, Reads};
use optimus_protocol::{ExecId, Exited, Stream};
use optimus_sandbox::session::{Connection, Event, Input, Receiver, Sender, Session, SessionError};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

pub use crate::grading::GradeError;
use crate::grading::{BOX_CLOSE_TIMEOUT, Work};

/// What one program prints on its way to the other.
struct Line {
    from: usize,
    printed_by: ExecId,
    to: usize,
    connection: Connection,
}

/// A box that could not be sent something, and why.
struct Unsent(usize, SessionError);

/// Makes and runs both programs, each in its box. When one of the boxes fails, both are destroyed, as they are in the end.
///
/// `most_checking` is how long the engine may take for what it is told.
pub async fn grade(
    sessions: [Session; 2],
    mut engine: PairEngine<'_>,
    most_checking: Duration,
) -> Result<PairResult, GradeError> {
    let [one, other] = sessions;
    let mut boxes = [one.begin(1).await?, other.begin(1).await?];
    let [one, other] = &mut boxes;
    let ((sender_0, mut receiver_0), (sender_1, mut receiver_1)) = (one.split(), other.split());
    let mut senders = [sender_0, sender_1];
    let mut lines = Vec::new();
    let mut work = Work::new(most_checking);
    let mut allowed = engine.longest_silence();
    let mut deadline = Instant::now() + allowed;
    while !engine.is_over() {
        let sent = timeout_at(deadline, send_all(&mut senders, &mut engine, &mut lines)).await;
        if let Err(Unsent(place, error)) = sent.map_err(|_| GradeError::Stalled(allowed))? {
            let receiver = if place == 0 {
                &mut receiver_0
            } else {
                &mut receiver_1
            };
            return Err(last_words(receiver, error).await.into());
        }
        let next = async {
            tokio::select! {
                event = receiver_0.next() => (0, event),
                event = receiver_1.next() => (1, event),
            }
        };
        let (place, event) = tokio::select! {
            // What a box says is worth more than that it is late.
            biased;
            (place, event) = next => (place, event?),
            () = sleep_until(deadline) => {
                let lately = mem::take(&mut work.lately);
                if lately.is_zero() {
                    return Err(GradeError::Stalled(allowed));
                }
                deadline = Instant::now() + lately;
                continue;
            }
        };
        let in_box = BoxId(u32::from(place != 0));
        let line = lines.iter_mut().find(|line: &&mut Line| line.from == place);
        let event = match &event {
            Event::Output { id, stream, data } => {
                if let Some(line) = line
                    && (*stream, *id) == (Stream::Stdout, line.printed_by)
                {
                    line.connection.push(data);
                }
                let (id, stream) = ((*id).into(), *stream);
                work.tell(|| {
                    engine.handle(engine::Event::Output {
                        in_box,
                        id,
                        stream,
                        data,
                    })
                })?;
                continue;
            }
            Event::StdoutClosed(_) => {
                // It is told of joined executions alone.
                if let Some(line) = line {
                    line.connection.end();
                }
                continue;
            }
            Event::Exited(Exited { id, facts }) => {
                if let Some(line) = line.filter(|line| line.printed_by == *id) {
                    line.connection.end();
                }
                let (id, facts) = ((*id).into(), facts.clone());
                engine::Event::Ended { in_box, id, facts }
            }
            Event::Sealed(found) => engine::Event::Sealed {
                in_box,
                found: *found,
            },
            // There is room again; and no file is asked for.
            Event::InputTaken(_) | Event::File(_) | Event::FileData(_) => continue,
        };
        work.tell(|| engine.handle(event))?;
        allowed = engine.longest_silence();
        deadline = Instant::now() + allowed;
    }
    // So that the boxes leave by themselves. Their programs are over, whatever becomes of that.
    let _ = timeout(BOX_CLOSE_TIMEOUT, send_all(&mut senders, &mut engine, &mut lines)).await;
    Ok(engine.finish()?)
}

/// Does everything that is to be done, and carries what there is room for.
async fn send_all(
    senders: &mut [Sender<'_>; 2],
    engine: &mut PairEngine<'_>,
    lines: &mut Vec<Line>,
) -> Result<(), Unsent> {
    while let Some(action) = engine.poll() {
        send(senders, action, lines).await?;
    }
    for line in lines {
        let carried = line.connection.carry(&mut senders[line.to]).await;
        let carried = carried.map_err(|error| Unsent(line.to, error))?;
        let told = senders[line.from].output_taken(line.printed_by, carried).await;
        told.map_err(|error| Unsent(line.from, error))?;
    }
    Ok(())
}

async fn send(
    senders: &mut [Sender<'_>; 2],
    action: Action<'_>,
    lines: &mut Vec<Line>,
) -> Result<(), Unsent> {
    let place = |BoxId(number): BoxId| usize::from(number != 0);
    let (at, sent) = match action {
        Action::Put {
            in_box,
            name,
            content,
        } => (place(in_box), senders[place(in_box)].put(name, content).await),
        Action::Prepare { in_box, folders } => (place(in_box), senders[place(in_box)].prepare(folders).await),
        Action::Execute(Execution {
            in_box,
            id,
            command,
            wanted_bytes,
            reads,
            ..
        }) => {
            let sender = &mut senders[place(in_box)];
            let sent = match reads {
                Reads::Bytes(input) => {
                    let input = Input::Bytes(input);
                    sender.exec(id.into(), command, wanted_bytes, input).await
                }
                Reads::Connected => sender.exec_joined(id.into(), command).await,
            };
            (place(in_box), sent)
        }
        Action::Connect { from, to } => {
            lines.push(Line::new(from, to, place));
            return Ok(());
        }
        Action::Seal { in_box, expected } => (place(in_box), senders[place(in_box)].seal(expected).await),
        Action::End { in_box } => (place(in_box), senders[place(in_box)].end().await),
    };
    sent.map_err(|error| Unsent(at, error))
}

impl Line {
    fn new(from: Endpoint, to: Endpoint, place: impl Fn(BoxId) -> usize) -> Self {
        Self {
            from: place(from.in_box),
            printed_by: from.id.into(),
            to: place(to.in_box),
            connection: Connection::new(to.id.into()),
        }
    }
}

/// What a box itself says of its end is worth more than that it hears no more.
async fn last_words(receiver: &mut Receiver<'_>, unsent: SessionError) -> SessionError {
    let end = async {
        loop {
            if let Err(error) = receiver.next().await {
                return error;
            }
        }
    };
    timeout(BOX_CLOSE_TIMEOUT, end).await.unwrap_or(unsent)
}
