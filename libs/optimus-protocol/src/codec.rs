//! Bytes to frames and frames to bytes, without any reading or writing: whoever has a stream feeds what it gives.
//!
//! [`Decoder`] is for one who must not read past a frame, or would rather not hold it whole; [`Frames`] collects whole
//! frames on top of it.

use bytes::{Buf, Bytes, BytesMut};
use serde::Serialize;

use crate::frame::{FrameHeader, FrameKind, HEADER_LEN, ProtocolError};

/// Where in a stream of frames the reading stands. It holds no payload.
#[derive(Debug, Clone, Default)]
pub struct Decoder {
    header: [u8; HEADER_LEN],
    /// Bytes of the header that are known.
    known: usize,
    /// Bytes of the payload that are still to come.
    left: usize,
}

/// What some bytes are in a stream of frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part<'b> {
    /// A frame begins. Its payload follows, unless it has none.
    Header(FrameHeader),
    /// The next bytes of the payload, at least one.
    Payload(&'b [u8]),
}

impl Decoder {
    pub fn new() -> Self {
        Self::default()
    }

    /// How many of the next bytes belong to the current part of a frame; at least one. What follows them may belong to
    /// somebody else.
    pub fn wanted(&self) -> usize {
        if self.left > 0 {
            self.left
        } else {
            HEADER_LEN - self.known
        }
    }

    /// Takes at most [`Self::wanted`] bytes from the front of `bytes`, and says what they were; `None` where they leave a
    /// header incomplete. After an error there is nothing to read any more.
    pub fn feed<'b>(&mut self, bytes: &mut &'b [u8]) -> Result<Option<Part<'b>>, ProtocolError> {
        let (taken, rest) = bytes.split_at(self.wanted().min(bytes.len()));
        *bytes = rest;
        if taken.is_empty() {
            return Ok(None);
        }
        if self.left > 0 {
            self.left -= taken.len();
            return Ok(Some(Part::Payload(taken)));
        }
        self.header[self.known..][..taken.len()].copy_from_slice(taken);
        self.known += taken.len();
        if self.known < HEADER_LEN {
            return Ok(None);
        }
        let header = FrameHeader::decode(self.header)?;
        self.known = 0;
        self.left = header.len;
        Ok(Some(Part::Header(header)))
    }
}

/// Collects whole frames. Beside what is read ahead it holds one of them at most.
#[derive(Debug, Default)]
pub struct Frames {
    decoder: Decoder,
    /// The frame whose payload is incomplete.
    begun: Option<FrameHeader>,
    /// Received and not yet handed out.
    buffer: BytesMut,
}

impl Frames {
    pub fn new() -> Self {
        Self::default()
    }

    /// How many more bytes are needed for the next header or the current frame's payload; nothing of them belongs to the
    /// frame behind it.
    pub fn missing(&self) -> usize {
        self.decoder.wanted().saturating_sub(self.buffer.len())
    }

    /// Where to put what is read: there is room for what is [`missing`](Self::missing), and for `at_least` bytes.
    pub fn room(&mut self, at_least: usize) -> &mut BytesMut {
        self.buffer.reserve(self.missing().max(at_least));
        &mut self.buffer
    }

    /// The next frame, once all of it was received. Its payload shares memory with what came beside it.
    pub fn next_frame(&mut self) -> Result<Option<(FrameKind, Bytes)>, ProtocolError> {
        let FrameHeader { kind, len } = if let Some(begun) = self.begun {
            begun
        } else {
            let mut bytes = &self.buffer[..];
            let begun = match self.decoder.feed(&mut bytes)? {
                Some(Part::Header(header)) => Some(header),
                Some(Part::Payload(_)) | None => None,
            };
            let taken = self.buffer.len() - bytes.len();
            self.buffer.advance(taken);
            match begun {
                Some(header) => header,
                None => return Ok(None),
            }
        };
        self.begun = None;
        if self.buffer.len() < len {
            self.begun = Some(FrameHeader { kind, len });
            return Ok(None);
        }
        let payload = self.buffer.split_to(len).freeze();
        self.decoder.feed(&mut &payload[..])?;
        Ok(Some((kind, payload)))
    }

    /// Whether everything received so far was handed out.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty() && self.begun.is_none() && self.decoder.known == 0
    }

    /// Gives back the memory of a buffer that is not needed for long.
    pub fn shrink(&mut self) {
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new();
        }
    }
}

/// Appends a frame whose payload is the parts in order.
pub fn encode<B>(to: &mut B, kind: FrameKind, parts: &[&[u8]])
where
    B: for<'a> Extend<&'a u8>,
{
    let len = parts.iter().map(|part| part.len()).sum();
    to.extend(&FrameHeader { kind, len }.encode());
    for part in parts {
        to.extend(*part);
    }
}

/// Appends a control frame.
pub fn encode_json<B, T>(to: &mut B, kind: FrameKind, message: &T) -> Result<(), ProtocolError>
where
    B: for<'a> Extend<&'a u8>,
    T: Serialize,
{
    let json = serde_json::to_vec(message).map_err(|source| ProtocolError::Unwritable { kind, source })?;
    if json.len() > kind.max_payload() {
        return Err(ProtocolError::TooLong {
            kind,
            len: json.len(),
        });
    }
    encode(to, kind, &[&json]);
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*, sample::select};

    use super::*;

    fn a_frame() -> impl Strategy<Value = (FrameKind, Vec<u8>)> {
        (select(&FrameKind::ALL[..]), vec(any::<u8>(), 0..300)).prop_map(|(kind, mut payload)| {
            payload.truncate(kind.max_payload());
            (kind, payload)
        })
    }

    fn encoded(frames: &[(FrameKind, Vec<u8>)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (kind, payload) in frames {
            let (front, back) = payload.split_at(payload.len() / 2);
            encode(&mut bytes, *kind, &[front, back]);
        }
        bytes
    }

    /// Reads as one does who takes no byte too many, at most `most` at once.
    fn read_exactly(mut bytes: &[u8], most: usize) -> Vec<(FrameKind, Vec<u8>)> {
        let mut decoder = Decoder::new();
        let mut frames: Vec<(FrameKind, Vec<u8>)> = Vec::new();
        while !bytes.is_empty() {
            let wanted = decoder.wanted();
            assert!(wanted > 0);
            let (mut read, rest) = bytes.split_at(wanted.min(most).min(bytes.len()));
            bytes = rest;
            match decoder.feed(&mut read).unwrap() {
                Some(Part::Header(header)) => frames.push((header.kind, Vec::with_capacity(header.len))),
                Some(Part::Payload(part)) => frames.last_mut().unwrap().1.extend_from_slice(part),
                None => {}
            }
            assert!(read.is_empty(), "it was asked for");
        }
        frames
    }

    proptest! {
        #[test]
        fn frames_are_the_same_however_they_arrive(
            frames in vec(a_frame(), 0..8),
            reads in vec(1_usize..400, 1..20),
            most in 1_usize..400,
        ) {
            let bytes = encoded(&frames);
            prop_assert_eq!(&read_exactly(&bytes, most), &frames);

            let mut collected = Vec::new();
            let mut collector = Frames::new();
            let mut rest = &bytes[..];
            for read in reads.iter().cycle() {
                while let Some((kind, payload)) = collector.next_frame().unwrap() {
                    collected.push((kind, payload.to_vec()));
                }
                prop_assert!(collector.missing() > 0);
                if rest.is_empty() {
                    break;
                }
                let (now, later) = rest.split_at((*read).min(rest.len()));
                collector.room(now.len()).extend_from_slice(now);
                rest = later;
            }
            prop_assert!(collector.is_empty());
            prop_assert_eq!(&collected, &frames);
        }

        #[test]
        fn one_who_reads_what_is_missing_never_has_a_byte_of_the_next_frame(frames in vec(a_frame(), 1..8)) {
            let bytes = encoded(&frames);
            let mut rest = &bytes[..];
            for frame in &frames {
                let mut collector = Frames::new();
                let got = loop {
                    if let Some((kind, payload)) = collector.next_frame().unwrap() {
                        break (kind, payload.to_vec());
                    }
                    let (now, later) = rest.split_at(collector.missing());
                    collector.room(0).extend_from_slice(now);
                    rest = later;
                };
                prop_assert_eq!(&got, frame);
                prop_assert!(collector.is_empty());
            }
            prop_assert!(rest.is_empty());
        }

        #[test]
        fn a_stream_that_stops_half_way_gives_whole_frames_only(frames in vec(a_frame(), 1..8), cut in any::<u64>()) {
            let bytes = encoded(&frames);
            let cut = usize::try_from(cut % bytes.len() as u64).unwrap();
            let mut collector = Frames::new();
            collector.room(0).extend_from_slice(&bytes[..cut]);
            let mut whole = 0;
            while let Some((kind, payload)) = collector.next_frame().unwrap() {
                prop_assert_eq!(&(kind, payload.to_vec()), &frames[whole]);
                whole += 1;
            }
            prop_assert!(whole < frames.len());
        }

        /// What stays in memory is the announced frame at most, and none that is announced too long.
        #[test]
        fn no_peer_makes_the_reader_wait_for_more_than_a_frame(bytes in vec(any::<u8>(), 0..400)) {
            let mut collector = Frames::new();
            collector.room(0).extend_from_slice(&bytes);
            while let Ok(Some(_)) = collector.next_frame() {}
            prop_assert!(collector.missing() <= crate::MAX_PAYLOAD);
        }
    }

    #[test]
    fn a_message_longer_than_its_frame_may_be_is_not_written() {
        let mut bytes = Vec::new();
        let text = "x".repeat(crate::MAX_CONTROL);
        let refused = encode_json(&mut bytes, FrameKind::Ready, &text).unwrap_err();
        assert!(matches!(refused, ProtocolError::TooLong { .. }), "{refused:?}");
        assert!(bytes.is_empty());
        encode_json(&mut bytes, FrameKind::Exec, &text).unwrap();
        assert_eq!(bytes.len(), HEADER_LEN + 2 + text.len());
    }
}
