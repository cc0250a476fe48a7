//! Reading and writing single frames.

use std::{io, pin::Pin};

use bytes::{Buf, Bytes, BytesMut};
use optimus_protocol::{FrameHeader, FrameKind, HEADER_LEN, MAX_PAYLOAD};
use serde::{Serialize, de::DeserializeOwned};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{SessionError, readable};

/// Room made before each read. Several small frames, or a good part of a large one.
const READ_SIZE: usize = 64 << 10;

/// Largest control frame a box may send: facts and one text.
const MAX_CONTROL: usize = 64 << 10;

/// Splits a byte stream into frames. Holds one frame and one read at most.
pub(super) struct FrameReader {
    reader: Pin<Box<dyn AsyncRead + Send>>,
    /// Received and not yet handed out.
    buffer: BytesMut,
}

impl FrameReader {
    pub(super) fn new(reader: Pin<Box<dyn AsyncRead + Send>>) -> Self {
        Self {
            reader,
            buffer: BytesMut::new(),
        }
    }

    /// The next frame. Cancel safe: what was received stays for the next call.
    pub(super) async fn next(&mut self) -> Result<(FrameKind, Bytes), SessionError> {
        loop {
            let missing = match self.buffer.first_chunk::<HEADER_LEN>() {
                None => HEADER_LEN - self.buffer.len(),
                Some(&bytes) => {
                    let FrameHeader { kind, len } = FrameHeader::decode(bytes)?;
                    if kind != FrameKind::Output && len > MAX_CONTROL {
                        return Err(SessionError::violation(format!("a control frame of {len} bytes")));
                    }
                    match (HEADER_LEN + len).checked_sub(self.buffer.len()) {
                        None | Some(0) => {
                            self.buffer.advance(HEADER_LEN);
                            return Ok((kind, self.buffer.split_to(len).freeze()));
                        }
                        Some(missing) => missing,
                    }
                }
            };
            self.buffer.reserve(missing.max(READ_SIZE));
            if self
                .reader
                .read_buf(&mut self.buffer)
                .await
                .map_err(broken_stream)?
                == 0
            {
                return Err(SessionError::Closed);
            }
        }
    }

    /// Resolves when the peer closes its stream, or says something. Cancel safe.
    pub(super) async fn silence_ends(&mut self) -> SessionError {
        if self.buffer.is_empty() {
            let mut byte = [0];
            match self.reader.read(&mut byte).await {
                Ok(0) => return SessionError::Closed,
                Ok(_) => self.buffer.extend_from_slice(&byte),
                Err(error) => return broken_stream(error),
            }
        }
        SessionError::violation("it spoke before it had a job".to_owned())
    }

    /// Gives back the memory of a buffer that is not needed for long.
    pub(super) fn shrink(&mut self) {
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new();
        }
    }
}

/// Parses a control frame's payload.
pub(super) fn parse<T: DeserializeOwned>(what: &str, payload: &[u8]) -> Result<T, SessionError> {
    serde_json::from_slice(payload)
        // It repeats what the box sent.
        .map_err(|error| SessionError::violation(format!("invalid {what}: {}", readable(&error.to_string()))))
}

pub(super) async fn write_frame<W: AsyncWrite + Unpin>(
    writer: &mut W,
    kind: FrameKind,
    payload: &[u8],
) -> Result<(), SessionError> {
    let header = FrameHeader {
        kind,
        len: payload.len(),
    }
    .encode();
    writer.write_all(&header).await.map_err(broken_stream)?;
    writer.write_all(payload).await.map_err(broken_stream)
}

pub(super) async fn write_json<W: AsyncWrite + Unpin, T: Serialize>(
    writer: &mut W,
    kind: FrameKind,
    value: &T,
) -> Result<(), SessionError> {
    let payload = serde_json::to_vec(value).map_err(|error| SessionError::Stream(error.into()))?;
    if payload.len() > MAX_PAYLOAD {
        return Err(SessionError::Stream(io::Error::other(
            "a header is too long for one frame",
        )));
    }
    write_frame(writer, kind, &payload).await
}

/// A peer that is gone shows as an end of the stream or as an error, by chance.
pub(super) fn broken_stream(error: io::Error) -> SessionError {
    match error.kind() {
        io::ErrorKind::BrokenPipe
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::NotConnected
        | io::ErrorKind::UnexpectedEof
        | io::ErrorKind::WriteZero => SessionError::Closed,
        _ => SessionError::Stream(error),
    }
}
