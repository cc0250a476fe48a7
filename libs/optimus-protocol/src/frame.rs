//! One frame: its header, and what stands before raw bytes.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Largest payload of one frame. A peer that announces more is broken or hostile.
pub const MAX_PAYLOAD: usize = 1 << 20;

/// Largest payload of a control frame: facts and one text. Only [`FrameKind::Exec`] may be larger, since it has a whole command.
pub const MAX_CONTROL: usize = 64 << 10;

/// Bytes before the payload.
pub const HEADER_LEN: usize = 5;

/// Largest slice of data a sender puts in one frame: large enough to be cheap, small enough to interleave.
pub const CHUNK: usize = 64 << 10;

/// Bytes of a live standard input, or of a standard output with a window, that may be on their way beyond what the receiver has
/// told as taken.
pub const WINDOW: usize = 64 << 10;

/// Bytes of a standard output that may come beyond its window: the agent sees what a read has brought when it has read it, and
/// reads twice where a program ends between.
pub const WINDOW_SLACK: usize = 2 * CHUNK;

/// What a frame carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum FrameKind {
    // To the box.
    /// JSON [`Begin`](crate::Begin): the first frame.
    Begin = 1,
    /// JSON [`Put`](crate::Put): a file for the work directory, whose bytes follow.
    Put = 2,
    /// JSON [`Prepare`](crate::Prepare): no more files follow.
    Prepare = 3,
    /// JSON [`Exec`](crate::Exec): what to execute. Its input follows, if it is one that is sent ahead.
    Exec = 4,
    /// [`ExecId`], then raw bytes for an execution's live standard input.
    Input = 5,
    /// [`ExecId`]: its live standard input ends.
    CloseInput = 6,
    /// [`ExecId`]: it is to be killed. Its facts come as ever.
    Kill = 7,
    /// JSON [`Seal`](crate::Seal): what lies in the work directory stays as it is.
    Seal = 8,
    /// JSON [`Get`](crate::Get): a file of the sealed work directory is wanted.
    Get = 9,
    /// Empty: nothing more is asked for.
    End = 10,
    /// [`Taken`]: of the standard output of an execution with [`StdoutFlow::Windowed`](crate::StdoutFlow::Windowed).
    OutputTaken = 11,
    // Both ways.
    /// Raw bytes of what was announced last.
    Data = 32,
    // From the box.
    /// JSON [`Ready`](crate::Ready).
    Ready = 65,
    /// [`OutputTag`], then raw bytes.
    Output = 66,
    /// JSON [`Exited`](crate::Exited).
    Exited = 67,
    /// JSON [`Sealed`](crate::Sealed).
    Sealed = 68,
    /// UTF-8 text: the agent cannot go on, and why. Always the system's fault, never the program's.
    Fault = 69,
    /// [`Taken`]: of a live standard input.
    InputTaken = 70,
    /// JSON [`FileFound`](crate::FileFound): the answer to a `Get`. The file's bytes follow.
    File = 71,
    /// [`ExecId`]: nothing more comes of the standard output of an execution with
    /// [`StdoutFlow::Windowed`](crate::StdoutFlow::Windowed), which may go on.
    StdoutClosed = 72,
}

impl FrameKind {
    pub const ALL: [Self; 20] = [
        Self::Begin,
        Self::Put,
        Self::Prepare,
        Self::Exec,
        Self::Input,
        Self::CloseInput,
        Self::Kill,
        Self::Seal,
        Self::Get,
        Self::End,
        Self::OutputTaken,
        Self::Data,
        Self::Ready,
        Self::Output,
        Self::Exited,
        Self::Sealed,
        Self::Fault,
        Self::InputTaken,
        Self::File,
        Self::StdoutClosed,
    ];

    pub fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == byte)
    }

    /// Largest payload of a frame of this kind.
    pub fn max_payload(self) -> usize {
        match self {
            Self::Exec | Self::Data | Self::Output => MAX_PAYLOAD,
            Self::Begin
            | Self::Put
            | Self::Prepare
            | Self::Seal
            | Self::Get
            | Self::Ready
            | Self::Exited
            | Self::Sealed
            | Self::Fault
            | Self::File => MAX_CONTROL,
            Self::Input => ExecId::LEN + WINDOW,
            Self::CloseInput | Self::Kill | Self::StdoutClosed => ExecId::LEN,
            Self::InputTaken | Self::OutputTaken => Taken::LEN,
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
    #[error("a frame of {0} bytes is too short to say what it belongs to")]
    NoTag(usize),
    #[error("{0} bytes follow a number that stands alone")]
    NotAlone(usize),
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

/// By which the worker and the box know an execution. The worker counts upwards: no number comes a second time in a box.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ExecId(pub u32);

impl ExecId {
    pub const LEN: usize = 4;

    /// As it stands at the front of a payload: big-endian.
    pub fn encode(self) -> [u8; Self::LEN] {
        self.0.to_be_bytes()
    }

    /// Splits a payload into the number at its front and what follows.
    pub fn split(payload: &[u8]) -> Result<(Self, &[u8]), ProtocolError> {
        let (number, rest) = payload
            .split_first_chunk()
            .ok_or(ProtocolError::NoTag(payload.len()))?;
        Ok((Self(u32::from_be_bytes(*number)), rest))
    }

    /// A payload that is nothing but a number.
    pub fn decode(payload: &[u8]) -> Result<Self, ProtocolError> {
        match Self::split(payload)? {
            (id, []) => Ok(id),
            (_, rest) => Err(ProtocolError::NotAlone(rest.len())),
        }
    }
}

impl fmt::Display for ExecId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// So many more bytes of a stream with a window are out of the receiver's hands: as many may be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    pub id: ExecId,
    pub bytes: u32,
}

impl Taken {
    pub const LEN: usize = ExecId::LEN + 4;

    pub fn encode(self) -> [u8; Self::LEN] {
        let mut payload = [0; Self::LEN];
        payload[..ExecId::LEN].copy_from_slice(&self.id.encode());
        payload[ExecId::LEN..].copy_from_slice(&self.bytes.to_be_bytes());
        payload
    }

    pub fn decode(payload: &[u8]) -> Result<Self, ProtocolError> {
        let (id, rest) = ExecId::split(payload)?;
        let bytes = rest.try_into().map_err(|_| ProtocolError::NoTag(payload.len()))?;
        Ok(Self {
            id,
            bytes: u32::from_be_bytes(bytes),
        })
    }
}

/// One of a program's two output streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Stream {
    Stdout = 1,
    Stderr = 2,
}

/// The five bytes before the data of an [`FrameKind::Output`] frame: the execution, then the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutputTag {
    pub id: ExecId,
    pub stream: Stream,
}

impl OutputTag {
    pub const LEN: usize = ExecId::LEN + 1;

    pub fn encode(self) -> [u8; Self::LEN] {
        let [a, b, c, d] = self.id.encode();
        [a, b, c, d, self.stream as u8]
    }

    /// Splits a payload into its tag and its data.
    pub fn decode(payload: &[u8]) -> Result<(Self, &[u8]), ProtocolError> {
        let (id, rest) = ExecId::split(payload)?;
        let (stream, data) = rest.split_first().ok_or(ProtocolError::NoTag(payload.len()))?;
        let stream = match stream {
            1 => Stream::Stdout,
            2 => Stream::Stderr,
            other => return Err(ProtocolError::UnknownStream(*other)),
        };
        Ok((Self { id, stream }, data))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn no_two_kinds_have_one_number() {
        for kind in FrameKind::ALL {
            assert_eq!(FrameKind::from_byte(kind as u8), Some(kind));
        }
    }

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
            if let Ok((id, rest)) = ExecId::split(&payload) {
                prop_assert_eq!(&[&id.encode()[..], rest].concat(), &payload);
                prop_assert_eq!(ExecId::decode(&payload).is_ok(), rest.is_empty());
            }
            if let Ok(taken) = Taken::decode(&payload) {
                prop_assert_eq!(&taken.encode()[..], &payload);
            }
        }
    }
}
