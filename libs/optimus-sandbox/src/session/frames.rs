//! Reading and writing single frames.

use std::{io, pin::Pin};

use bytes::Bytes;
use optimus_protocol::{FrameHeader, FrameKind, Frames, encode_json};
use serde::{Serialize, de::DeserializeOwned};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{SessionError, readable};

/// Room made before each read. Several small frames, or a good part of a large one.
const READ_SIZE: usize = 64 << 10;

/// Takes frames from a stream. Holds one frame and one read at most.
pub(super) struct FrameReader {
    reader: Pin<Box<dyn AsyncRead + Send>>,
    frames: Frames,
}

impl FrameReader {
    pub(super) fn new(reader: Pin<Box<dyn AsyncRead + Send>>) -> Self {
        Self {
            reader,
            frames: Frames::new(),
        }
    }

    /// The next frame. Cancel safe: what was received stays for the next call.
    pub(super) async fn next(&mut self) -> Result<(FrameKind, Bytes), SessionError> {
        loop {
            if let Some(frame) = self.frames.next_frame()? {
                return Ok(frame);
            }
            let room = self.frames.room(READ_SIZE);
            if self.reader.read_buf(room).await.map_err(broken_stream)? == 0 {
                return Err(SessionError::Closed);
            }
        }
    }

    /// Resolves when the peer closes its stream, or says something. Cancel safe.
    pub(super) async fn silence_ends(&mut self) -> SessionError {
        if self.frames.is_empty() {
            let mut byte = [0];
            match self.reader.read(&mut byte).await {
                Ok(0) => return SessionError::Closed,
                Ok(_) => self.frames.room(1).extend_from_slice(&byte),
                Err(error) => return broken_stream(error),
            }
        }
        SessionError::violation("it spoke before it had a job".to_owned())
    }

    /// Gives back the memory of a buffer that is not needed for long.
    pub(super) fn shrink(&mut self) {
        self.frames.shrink();
    }
}

/// Parses a control frame's payload.
pub(super) fn parse<T: DeserializeOwned>(what: &str, payload: &[u8]) -> Result<T, SessionError> {
    serde_json::from_slice(payload)
        // It repeats what the box sent.
        .map_err(|error| SessionError::violation(format!("invalid {what}: {}", readable(&error.to_string()))))
}

/// Writes a frame whose payload is the parts in order.
pub(super) async fn write_frame<W: AsyncWrite + Unpin>(
    writer: &mut W,
    kind: FrameKind,
    parts: &[&[u8]],
) -> Result<(), SessionError> {
    let len = parts.iter().map(|part| part.len()).sum();
    let header = FrameHeader { kind, len }.encode();
    writer.write_all(&header).await.map_err(broken_stream)?;
    for part in parts {
        writer.write_all(part).await.map_err(broken_stream)?;
    }
    Ok(())
}

pub(super) async fn write_json<W: AsyncWrite + Unpin, T: Serialize>(
    writer: &mut W,
    kind: FrameKind,
    value: &T,
) -> Result<(), SessionError> {
    let mut frame = Vec::new();
    // A job that fits no frame is no fault of the box.
    encode_json(&mut frame, kind, value).map_err(|error| SessionError::Stream(io::Error::other(error)))?;
    writer.write_all(&frame).await.map_err(broken_stream)
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
