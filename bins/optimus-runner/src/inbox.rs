//! Tests on their way from the worker, taken in bit by bit while other runs go on.

use anyhow::{Context, bail, ensure};
use optimus_cell::{Input, InputWriter};
use optimus_protocol::{FrameHeader, FrameKind, Part, TestHeader};

use crate::channel::{self, Incoming};

/// What the worker asks for, once it is complete.
#[derive(Debug)]
pub(crate) enum Request {
    Test(TestHeader, Input),
    End,
}

#[derive(Debug)]
pub(crate) struct Inbox {
    incoming: Incoming,
    /// What the current frame is.
    frame: Frame,
    /// The test whose input is incomplete.
    test: Option<Announced>,
}

#[derive(Debug)]
enum Frame {
    Test { payload: Vec<u8>, len: usize },
    Data,
}

#[derive(Debug)]
struct Announced {
    header: TestHeader,
    input: InputWriter,
    missing: u64,
}

impl Inbox {
    pub(crate) fn new() -> Self {
        Self {
            incoming: Incoming::new(),
            frame: Frame::Data,
            test: None,
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
                Frame::Test { payload, len } => {
                    payload.extend_from_slice(data);
                    if payload.len() < *len {
                        return Ok(None);
                    }
                    let header =
                        serde_json::from_slice(payload).context("cannot understand the worker's Test")?;
                    self.announce(header)
                }
                Frame::Data => {
                    let test = self.test.as_mut().context("input data belongs to no test")?;
                    test.input.write(data)?;
                    test.missing -= data.len() as u64;
                    self.complete()
                }
            },
        }
    }

    fn begin(&mut self, FrameHeader { kind, len }: FrameHeader) -> anyhow::Result<Option<Request>> {
        match (kind, &self.test) {
            (FrameKind::Test, None) => {
                ensure!(len > 0, "the worker sent an empty Test");
                self.frame = Frame::Test {
                    payload: Vec::with_capacity(len),
                    len,
                };
            }
            (FrameKind::InputData, Some(test)) => {
                ensure!(
                    len as u64 <= test.missing,
                    "the worker sent more than the input's size"
                );
                self.frame = Frame::Data;
            }
            (FrameKind::End, None) => return Ok(Some(Request::End)),
            _ => bail!("the worker sent {kind:?} out of order"),
        }
        Ok(None)
    }

    fn announce(&mut self, header: TestHeader) -> anyhow::Result<Option<Request>> {
        self.test = Some(Announced {
            header,
            input: InputWriter::new()?,
            missing: header.input_bytes,
        });
        self.complete()
    }

    fn complete(&mut self) -> anyhow::Result<Option<Request>> {
        match self.test.take_if(|test| test.missing == 0) {
            Some(test) => Ok(Some(Request::Test(test.header, test.input.finish()?))),
            None => Ok(None),
        }
    }
}
