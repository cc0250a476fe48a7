//! The agent's output, apart from what else comes over the attached stream.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bollard::{container::LogOutput, errors::Error};
use bytes::{Buf, Bytes};
use futures_util::Stream;
use tokio::io::{AsyncRead, ReadBuf};
use tracing::warn;

/// Bytes of one box's standard error that are logged. The agent writes there only when something is wrong.
const MAX_LOGGED: usize = 4096;

/// A box's standard output as one byte stream. Its standard error goes to the log.
pub(super) struct AgentOutput {
    /// The box's name, for the log.
    name: String,
    attached: Pin<Box<dyn Stream<Item = Result<LogOutput, Error>> + Send>>,
    /// Received and not yet read.
    current: Bytes,
    /// How much may still be logged.
    log_left: usize,
}

impl AgentOutput {
    pub(super) fn new(
        name: String,
        attached: Pin<Box<dyn Stream<Item = Result<LogOutput, Error>> + Send>>,
    ) -> Self {
        Self {
            name,
            attached,
            current: Bytes::new(),
            log_left: MAX_LOGGED,
        }
    }

    fn log(&mut self, message: &[u8]) {
        let kept = &message[..message.len().min(self.log_left)];
        self.log_left -= kept.len();
        let text = String::from_utf8_lossy(kept);
        if !text.trim().is_empty() {
            warn!(name = self.name, text = text.trim(), "the agent complains");
        }
    }
}

impl AsyncRead for AgentOutput {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.current.is_empty() {
            match ready!(self.attached.as_mut().poll_next(cx)) {
                None => return Poll::Ready(Ok(())),
                Some(Err(error)) => return Poll::Ready(Err(into_io(error))),
                Some(Ok(LogOutput::StdOut { message })) => self.current = message,
                Some(Ok(LogOutput::StdErr { message })) => self.log(&message),
                Some(Ok(LogOutput::StdIn { .. } | LogOutput::Console { .. })) => {
                    return Poll::Ready(Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        "the engine sent bytes that belong to no stream of the box",
                    )));
                }
            }
        }
        let taken = self.current.len().min(buf.remaining());
        buf.put_slice(&self.current[..taken]);
        self.current.advance(taken);
        Poll::Ready(Ok(()))
    }
}

fn into_io(error: Error) -> io::Error {
    match error {
        Error::IOError { err } => err,
        other => io::Error::other(other),
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use tokio::io::AsyncReadExt;

    use super::*;

    fn output(items: Vec<LogOutput>) -> AgentOutput {
        AgentOutput::new(
            "box".to_owned(),
            Box::pin(stream::iter(items.into_iter().map(Ok))),
        )
    }

    fn out(message: &'static str) -> LogOutput {
        LogOutput::StdOut {
            message: message.into(),
        }
    }

    #[tokio::test]
    async fn standard_error_is_no_part_of_the_stream() {
        let err = LogOutput::StdErr {
            message: "mischief".into(),
        };
        let mut read = Vec::new();
        output(vec![out("fra"), err, out(""), out("me")])
            .read_to_end(&mut read)
            .await
            .unwrap();
        assert_eq!(read, b"frame");
    }

    #[tokio::test]
    async fn bytes_of_no_stream_are_an_error() {
        let stray = LogOutput::Console {
            message: "frame".into(),
        };
        let error = output(vec![stray]).read_u8().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn the_log_is_bounded() {
        let mut output = output(Vec::new());
        for _ in 0..10 {
            output.log(&[b'x'; 1000]);
        }
        assert_eq!(output.log_left, 0);
    }
}
