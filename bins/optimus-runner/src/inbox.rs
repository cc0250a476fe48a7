//! What the worker asks for, taken in bit by bit while executions go on.

use std::fmt;

use anyhow::{Context, bail, ensure};
use optimus_cell::{Input, InputWriter};
use optimus_protocol::{Exec, ExecId, FrameHeader, FrameKind, Get, Part, Seal, StdinSource, Taken};

use crate::channel::{self, Incoming, understand};

/// What the worker asks for, once it is complete.
#[derive(Debug)]
pub(crate) enum Request {
    Exec(Execution),
    Input(ExecId, Vec<u8>),
    CloseInput(ExecId),
    OutputTaken(Taken),
    Kill(ExecId),
    Seal(Seal),
    Get(Get),
    End,
}

/// What is to be executed.
#[derive(Debug)]
pub(crate) struct Execution {
    pub(crate) exec: Exec,
    /// All of its standard input; `None` of one that is live.
    pub(crate) input: Option<Input>,
}

#[derive(Debug)]
pub(crate) struct Inbox {
    incoming: Incoming,
    /// What the current frame is.
    frame: Frame,
    /// The execution whose input is incomplete.
    announced: Option<Announced>,
}

#[derive(Debug)]
enum Frame {
    /// The next header is to come.
    None,
    /// To be understood once it is whole.
    Whole {
        kind: FrameKind,
        payload: Vec<u8>,
        len: usize,
    },
    /// Goes to the input of what is announced.
    Data,
}

#[derive(Debug)]
struct Announced {
    exec: Exec,
    input: InputWriter,
    missing: u64,
}

impl Inbox {
    pub(crate) fn new() -> Self {
        Self {
            incoming: Incoming::new(),
            frame: Frame::None,
            announced: None,
        }
    }

    /// What the request is whose first bytes have come, and not all of them.
    pub(crate) fn coming(&self) -> Option<FrameKind> {
        match &self.frame {
            _ if self.announced.is_some() => Some(FrameKind::Exec),
            Frame::Whole { kind, .. } => Some(*kind),
            Frame::None | Frame::Data => None,
        }
    }

    /// Waits for the next request.
    pub(crate) fn wait(&mut self) -> anyhow::Result<Request> {
        loop {
            if let Some(request) = self.receive()? {
                return Ok(request);
            }
        }
    }

    /// Reads once, and returns a request if that completes one. Call it when there is something to read.
    pub(crate) fn receive(&mut self) -> anyhow::Result<Option<Request>> {
        self.receive_by(channel::read_some)
    }

    /// Never asks `read` for more than belongs to the current part of a frame.
    pub(crate) fn receive_by(
        &mut self,
        read: impl FnOnce(&mut [u8]) -> anyhow::Result<usize>,
    ) -> anyhow::Result<Option<Request>> {
        match self.incoming.receive_by(read)? {
            None => Ok(None),
            Some(Part::Header(header)) => self.begin(header),
            Some(Part::Payload(data)) => match &mut self.frame {
                Frame::Whole { kind, payload, len } => {
                    payload.extend_from_slice(data);
                    if payload.len() < *len {
                        return Ok(None);
                    }
                    let (kind, payload) = (*kind, std::mem::take(payload));
                    self.frame = Frame::None;
                    self.request(kind, payload)
                }
                Frame::Data => {
                    let announced = self.announced.as_mut().context("input data belongs to nothing")?;
                    announced.input.write(data)?;
                    announced.missing -= data.len() as u64;
                    self.complete()
                }
                Frame::None => bail!("a payload belongs to no frame"),
            },
        }
    }

    fn begin(&mut self, FrameHeader { kind, len }: FrameHeader) -> anyhow::Result<Option<Request>> {
        match (kind, &self.announced) {
            (
                FrameKind::Exec
                | FrameKind::Input
                | FrameKind::CloseInput
                | FrameKind::OutputTaken
                | FrameKind::Kill
                | FrameKind::Seal
                | FrameKind::Get,
                None,
            ) => {
                ensure!(len > 0, "the worker sent an empty {kind:?}");
                self.frame = Frame::Whole {
                    kind,
                    payload: Vec::with_capacity(len),
                    len,
                };
            }
            (FrameKind::Data, Some(announced)) => {
                ensure!(
                    len as u64 <= announced.missing,
                    "the worker sent more than the input's size"
                );
                self.frame = Frame::Data;
            }
            (FrameKind::End, None) => return Ok(Some(Request::End)),
            _ => return Err(OutOfOrder(kind).into()),
        }
        Ok(None)
    }

    fn request(&mut self, kind: FrameKind, mut payload: Vec<u8>) -> anyhow::Result<Option<Request>> {
        Ok(Some(match kind {
            FrameKind::Exec => return self.announce(understand(kind, &payload)?),
            FrameKind::Input => {
                let (id, _) = ExecId::split(&payload)?;
                payload.drain(..ExecId::LEN);
                Request::Input(id, payload)
            }
            FrameKind::CloseInput => Request::CloseInput(ExecId::decode(&payload)?),
            FrameKind::OutputTaken => Request::OutputTaken(Taken::decode(&payload)?),
            FrameKind::Kill => Request::Kill(ExecId::decode(&payload)?),
            FrameKind::Seal => Request::Seal(understand(kind, &payload)?),
            FrameKind::Get => Request::Get(understand(kind, &payload)?),
            _ => bail!("{kind:?} is no request"),
        }))
    }

    fn announce(&mut self, exec: Exec) -> anyhow::Result<Option<Request>> {
        let missing = match exec.stdin {
            StdinSource::Bytes(bytes) => bytes,
            StdinSource::Live => return Ok(Some(Request::Exec(Execution { exec, input: None }))),
        };
        self.announced = Some(Announced {
            exec,
            input: InputWriter::new()?,
            missing,
        });
        self.complete()
    }

    fn complete(&mut self) -> anyhow::Result<Option<Request>> {
        match self.announced.take_if(|announced| announced.missing == 0) {
            Some(Announced { exec, input, .. }) => Ok(Some(Request::Exec(Execution {
                exec,
                input: Some(input.finish()?),
            }))),
            None => Ok(None),
        }
    }
}

/// A frame that may come, but not now.
#[derive(Debug)]
pub(crate) struct OutOfOrder(pub(crate) FrameKind);

impl fmt::Display for OutOfOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the worker sent {:?} out of order", self.0)
    }
}

impl std::error::Error for OutOfOrder {}
