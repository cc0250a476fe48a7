//! One execution after another in a box, for whoever has no engine that checks what the box says.

use bytes::Bytes;
use optimus_common::facts::RunFacts;
use optimus_protocol::{CommandSpec, ExecId, Seal, Stream};

use super::{BoxSession, Event, Input, Session, SessionError};
use crate::backend::BoxHandle;

/// A box in which one thing is executed at a time.
///
/// What it says counts only where it is of the execution that goes on, and an end only where all output has come: else
/// one program would answer for another, or a lost word for silence. A future of it that is dropped half-way leaves a box that is
/// only to be destroyed.
#[derive(Debug)]
pub struct OneByOne {
    at_work: BoxSession,
    next: ExecId,
    going_on: Option<GoingOn>,
}

/// What is known of the execution that goes on.
#[derive(Debug)]
struct GoingOn {
    id: ExecId,
    /// Bytes of each stream that have to come, if so many were written.
    limit: u64,
    stdout_bytes: u64,
    stderr_bytes: u64,
}

/// What the execution that goes on did.
#[derive(Debug)]
pub enum Step {
    /// Some bytes of one stream, in order. They share memory with what came beside them.
    Output { stream: Stream, data: Bytes },
    /// Nothing more comes of it.
    Ended(RunFacts),
}

/// An execution that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    pub facts: RunFacts,
}

impl OneByOne {
    /// A box without files but with these folders, in which what is executed works in the work directory itself.
    pub async fn unsealed(session: Session, folders: &[String]) -> Result<Self, SessionError> {
        let mut at_work = session.begin(1).await?;
        let (mut sender, _) = at_work.split();
        sender.prepare(folders).await?;
        Ok(Self {
            at_work,
            next: ExecId(0),
            going_on: None,
        })
    }

    /// A box with an empty work directory, of which each execution has a copy.
    pub async fn sealed(session: Session) -> Result<Self, SessionError> {
        let mut this = Self::unsealed(session, &[]).await?;
        let (mut sender, _) = this.at_work.split();
        sender.seal(&Seal::default()).await?;
        Ok(this)
    }

    pub fn handle(&self) -> &dyn BoxHandle {
        self.at_work.handle()
    }

    /// Executes a command, from its start to its end.
    ///
    /// # Panics
    ///
    /// If an execution goes on already.
    pub async fn run(&mut self, command: &CommandSpec, input: &[u8]) -> Result<Finished, SessionError> {
        let going_on = begin(&mut self.going_on, &mut self.next, command);
        let (mut sender, mut receiver) = self.at_work.split();
        let send = sender.exec(going_on.id, command, None, Input::Bytes(input));
        let receive = async {
            let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
            loop {
                match going_on.take(receiver.next().await?)? {
                    Some(Step::Output { stream, data }) => match stream {
                        Stream::Stdout => stdout.extend_from_slice(&data),
                        Stream::Stderr => stderr.extend_from_slice(&data),
                    },
                    Some(Step::Ended(facts)) => {
                        return Ok(Finished {
                            stdout,
                            stderr,
                            facts,
                        });
                    }
                    None => {}
                }
            }
        };
        let ((), finished) = tokio::try_join!(send, receive)?;
        self.going_on = None;
        Ok(finished)
    }

    /// Executes a command whose input is short, and returns when it is on its way.
    ///
    /// # Panics
    ///
    /// If an execution goes on already.
    pub async fn start(&mut self, command: &CommandSpec, input: &[u8]) -> Result<(), SessionError> {
        let id = begin(&mut self.going_on, &mut self.next, command).id;
        let (mut sender, _) = self.at_work.split();
        sender.exec(id, command, None, Input::Bytes(input)).await
    }

    /// What the command that was [started](Self::start) does next. Cancel safe.
    ///
    /// # Panics
    ///
    /// If no execution goes on.
    pub async fn step(&mut self) -> Result<Step, SessionError> {
        let going_on = self.going_on.as_mut().expect("something was started");
        let (_, mut receiver) = self.at_work.split();
        let step = loop {
            if let Some(step) = going_on.take(receiver.next().await?)? {
                break step;
            }
        };
        if let Step::Ended(_) = step {
            self.going_on = None;
        }
        Ok(step)
    }
}

fn begin<'a>(going_on: &'a mut Option<GoingOn>, next: &mut ExecId, command: &CommandSpec) -> &'a mut GoingOn {
    assert!(going_on.is_none(), "one execution after another");
    let id = *next;
    *next = ExecId(id.0 + 1);
    going_on.insert(GoingOn {
        id,
        limit: command.limits.output_bytes,
        stdout_bytes: 0,
        stderr_bytes: 0,
    })
}

impl GoingOn {
    /// What this means for the execution; nothing where it is of the work directory.
    fn take(&mut self, event: Event) -> Result<Option<Step>, SessionError> {
        match event {
            Event::Output { id, stream, data } if id == self.id => {
                *match stream {
                    Stream::Stdout => &mut self.stdout_bytes,
                    Stream::Stderr => &mut self.stderr_bytes,
                } += data.len() as u64;
                Ok(Some(Step::Output { stream, data }))
            }
            Event::Exited(exited) if exited.id == self.id => {
                self.check_complete(&exited.facts)?;
                Ok(Some(Step::Ended(exited.facts)))
            }
            Event::Sealed(_) => Ok(None),
            other => Err(SessionError::violation(format!(
                "{other:?} while execution {} goes on",
                self.id
            ))),
        }
    }

    /// What is beyond the limit need not come.
    fn check_complete(&self, facts: &RunFacts) -> Result<(), SessionError> {
        for (stream, got, written) in [
            ("standard output", self.stdout_bytes, facts.stdout_bytes),
            ("standard error", self.stderr_bytes, facts.stderr_bytes),
        ] {
            if got < written.min(self.limit) || got > written {
                return Err(SessionError::violation(format!(
                    "{got} bytes of {stream} came of execution {}, which wrote {written}",
                    self.id
                )));
            }
        }
        Ok(())
    }
}
