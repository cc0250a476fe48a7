//! Tests on their way from the worker, taken in bit by bit while other runs go on.

use anyhow::{Context, bail, ensure};
use optimus_cell::{Input, InputWriter};
use optimus_protocol::{CHUNK, FrameHeader, FrameKind, HEADER_LEN, TestHeader};

use crate::channel;

/// What the worker asks for, once it is complete.
#[derive(Debug)]
pub(crate) enum Request {
    Test(TestHeader, Input),
    End,
}

#[derive(Debug)]
pub(crate) struct Inbox {
    frame: Frame,
    /// The test whose input is incomplete.
    test: Option<Announced>,
    buffer: Vec<u8>,
}

/// Where in a frame the reading stands.
#[derive(Debug)]
enum Frame {
    Header { bytes: [u8; HEADER_LEN], read: usize },
    Test { payload: Vec<u8>, len: usize },
    Data { left: usize },
}

#[derive(Debug)]
struct Announced {
    header: TestHeader,
    input: InputWriter,
    missing: u64,
}

impl Frame {
    fn start() -> Self {
        Self::Header {
            bytes: [0; HEADER_LEN],
            read: 0,
        }
    }
}

impl Inbox {
    pub(crate) fn new() -> Self {
        Self {
            frame: Frame::start(),
            test: None,
            buffer: vec![0; CHUNK],
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
        match &mut self.frame {
            Frame::Header { bytes, read: known } => {
                *known += read(&mut bytes[*known..])?;
                if *known < HEADER_LEN {
                    return Ok(None);
                }
                let header = FrameHeader::decode(*bytes)?;
                self.frame = Frame::start();
                self.begin(header)
            }
            Frame::Test { payload, len } => {
                let room = (*len - payload.len()).min(self.buffer.len());
                let read = read(&mut self.buffer[..room])?;
                payload.extend_from_slice(&self.buffer[..read]);
                if payload.len() < *len {
                    return Ok(None);
                }
                let header =
                    serde_json::from_slice(payload).context("cannot understand the worker's Test")?;
                self.frame = Frame::start();
                self.announce(header)
            }
            Frame::Data { left } => {
                let room = (*left).min(self.buffer.len());
                let read = read(&mut self.buffer[..room])?;
                *left -= read;
                if *left == 0 {
                    self.frame = Frame::start();
                }
                self.store(read)
            }
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
                if len > 0 {
                    self.frame = Frame::Data { left: len };
                }
            }
            (FrameKind::End, None) => {
                ensure!(len == 0, "the worker sent an End with a payload");
                return Ok(Some(Request::End));
            }
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

    fn store(&mut self, read: usize) -> anyhow::Result<Option<Request>> {
        let test = self.test.as_mut().context("input data belongs to no test")?;
        test.input.write(&self.buffer[..read])?;
        test.missing -= read as u64;
        self.complete()
    }

    fn complete(&mut self) -> anyhow::Result<Option<Request>> {
        match self.test.take_if(|test| test.missing == 0) {
            Some(test) => Ok(Some(Request::Test(test.header, test.input.finish()?))),
            None => Ok(None),
        }
    }
}
