//! What an execution has written so far.

use optimus_common::facts::RunFacts;
use optimus_protocol::Stream;

use super::exchange::{EngineError, ExecutionId};
use crate::capture::Capture;

#[derive(Debug)]
pub(super) struct Streams {
    pub(super) stdout: Capture,
    pub(super) stderr: Capture,
}

impl Streams {
    pub(super) fn new(max: usize) -> Self {
        Self {
            stdout: Capture::new(max),
            stderr: Capture::new(max),
        }
    }

    pub(super) fn feed(&mut self, stream: Stream, data: &[u8]) {
        match stream {
            Stream::Stdout => self.stdout.feed(data),
            Stream::Stderr => self.stderr.feed(data),
        }
    }

    /// Output lost on its way must never be taken for a wrong answer. Nobody needs what is beyond the limit.
    pub(super) fn check_complete(
        &self,
        id: ExecutionId,
        facts: &RunFacts,
        limit: u64,
    ) -> Result<(), EngineError> {
        let streams = [
            ("standard output", &self.stdout, facts.stdout_bytes),
            ("standard error", &self.stderr, facts.stderr_bytes),
        ];
        for (stream, capture, written) in streams {
            let got = capture.total_bytes();
            if got < written.min(limit) || got > written {
                return Err(EngineError::LostOutput {
                    id,
                    stream,
                    got,
                    written,
                });
            }
        }
        Ok(())
    }
}
