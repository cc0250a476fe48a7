//! One frame: its header, and the tag of output.

/// Largest payload of one frame. A peer that announces more is broken or hostile.
pub const MAX_PAYLOAD: usize = 1 << 20;

/// Largest payload of a control frame: facts and one text. Only [`FrameKind::Job`] may be larger, since it names every file.
pub const MAX_CONTROL: usize = 64 << 10;

/// Bytes before the payload.
pub const HEADER_LEN: usize = 5;

/// Largest slice of data a sender puts in one frame: large enough to be cheap, small enough to interleave.
pub const CHUNK: usize = 64 << 10;

/// What a frame carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum FrameKind {
    // To the box.
    /// JSON [`JobHeader`](crate::JobHeader).
    Job = 1,
    /// Raw bytes of the current file.
    FileData = 2,
    /// JSON [`TestHeader`](crate::TestHeader).
    Test = 3,
    /// Raw bytes of the current test's input.
    InputData = 4,
    /// Empty: no more tests.
    End = 5,
    // From the box.
    /// JSON [`Ready`](crate::Ready).
    Ready = 65,
    /// [`OutputTag`], then raw bytes.
    Output = 66,
    /// JSON [`CompileDone`](crate::CompileDone).
    CompileDone = 67,
    /// JSON [`RunDone`](crate::RunDone).
    RunDone = 68,
    /// UTF-8 text: the agent cannot go on, and why. Always the system's fault, never the program's.
    Fault = 69,
}

impl FrameKind {
    pub fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Job,
            2 => Self::FileData,
            3 => Self::Test,
            4 => Self::InputData,
            5 => Self::End,
            65 => Self::Ready,
            66 => Self::Output,
            67 => Self::CompileDone,
            68 => Self::RunDone,
            69 => Self::Fault,
            _ => return None,
        })
    }

    /// Largest payload of a frame of this kind.
    pub fn max_payload(self) -> usize {
        match self {
            Self::Job | Self::FileData | Self::InputData | Self::Output => MAX_PAYLOAD,
            Self::Test | Self::Ready | Self::CompileDone | Self::RunDone | Self::Fault => MAX_CONTROL,
            Self::End => 0,
        }
    }
}

/// A frame's header, apart from its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeader {
    pub kind: FrameKind,
    pub len: usize,
}

/// Bytes that are no frame of this protocol, or a message that none can carry.
#[derive(Debug, thiserror::Error)]
pub enum ProtocolError {
    #[error("unknown frame kind {0}")]
    UnknownKind(u8),
    #[error("a frame of {len} bytes, of kind {kind:?}; at most {} are allowed", .kind.max_payload())]
    TooLong { kind: FrameKind, len: usize },
    #[error("a message of kind {kind:?} cannot be written")]
    Unwritable {
        kind: FrameKind,
        #[source]
        source: serde_json::Error,
    },
    #[error("an output frame of {0} bytes has no complete tag")]
    ShortOutput(usize),
    #[error("unknown output stream {0}")]
    UnknownStream(u8),
}

impl FrameHeader {
    pub fn encode(self) -> [u8; HEADER_LEN] {
        debug_assert!(self.len <= MAX_PAYLOAD, "{self:?}");
        let len = u32::try_from(self.len).unwrap_or(u32::MAX).to_be_bytes();
        [self.kind as u8, len[0], len[1], len[2], len[3]]
    }

    pub fn decode(bytes: [u8; HEADER_LEN]) -> Result<Self, ProtocolError> {
        let [kind, length @ ..] = bytes;
        let kind = FrameKind::from_byte(kind).ok_or(ProtocolError::UnknownKind(kind))?;
        let len = u32::from_be_bytes(length) as usize;
        if len > kind.max_payload() {
            return Err(ProtocolError::TooLong { kind, len });
        }
        Ok(Self { kind, len })
    }
}

/// Which step of the job some output or facts belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobStep {
    Compile,
    /// The run with this [`TestHeader::run`](crate::TestHeader::run).
    Run(u32),
}

/// One of a program's two output streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Stream {
    Stdout = 1,
    Stderr = 2,
}

/// The five bytes before the data of an [`FrameKind::Output`] frame: the run (`u32::MAX` for the compile step,
/// big-endian), then the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutputTag {
    pub step: JobStep,
    pub stream: Stream,
}

impl OutputTag {
    pub const LEN: usize = 5;

    pub fn encode(self) -> [u8; Self::LEN] {
        let run = match self.step {
            JobStep::Compile => u32::MAX,
            JobStep::Run(run) => run,
        };
        let run = run.to_be_bytes();
        [run[0], run[1], run[2], run[3], self.stream as u8]
    }

    /// Splits a payload into its tag and its data.
    pub fn decode(payload: &[u8]) -> Result<(Self, &[u8]), ProtocolError> {
        let Some((&[a, b, c, d, stream], data)) = payload.split_first_chunk() else {
            return Err(ProtocolError::ShortOutput(payload.len()));
        };
        let step = match u32::from_be_bytes([a, b, c, d]) {
            u32::MAX => JobStep::Compile,
            run => JobStep::Run(run),
        };
        let stream = match stream {
            1 => Stream::Stdout,
            2 => Stream::Stderr,
            other => return Err(ProtocolError::UnknownStream(other)),
        };
        Ok((Self { step, stream }, data))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn headers_survive_the_wire(kind in any::<u8>(), len in 0..=MAX_PAYLOAD) {
            if let Some(kind) = FrameKind::from_byte(kind) {
                let header = FrameHeader { kind, len: len.min(kind.max_payload()) };
                prop_assert_eq!(FrameHeader::decode(header.encode()).unwrap(), header);
            }
        }

        #[test]
        fn a_frame_longer_than_its_kind_may_be_is_refused(kind in any::<u8>(), more in 1_u32..=1 << 20) {
            if let Some(kind) = FrameKind::from_byte(kind) {
                let len = u32::try_from(kind.max_payload()).unwrap() + more;
                let bytes = [&[kind as u8][..], &len.to_be_bytes()].concat();
                let refused = FrameHeader::decode(bytes.try_into().unwrap()).unwrap_err();
                prop_assert!(matches!(refused, ProtocolError::TooLong { .. }), "{:?}", refused);
            }
        }

        #[test]
        fn decoding_never_panics(bytes in any::<[u8; HEADER_LEN]>(), payload in any::<Vec<u8>>()) {
            if let Ok(header) = FrameHeader::decode(bytes) {
                prop_assert!(header.len <= header.kind.max_payload());
                prop_assert!(header.len <= MAX_PAYLOAD);
                prop_assert_eq!(header.encode(), bytes);
            }
            if let Ok((tag, data)) = OutputTag::decode(&payload) {
                prop_assert_eq!(&[&tag.encode()[..], data].concat(), &payload);
            }
        }
    }
}
