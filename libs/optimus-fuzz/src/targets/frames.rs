//! Frames of the runner protocol from text that people can read and a fuzzer can change.

use optimus_protocol::{
    Decoder, ExecId, FrameHeader, FrameKind, HEADER_LEN, OutputTag, Part, Stream, VERSION,
};

/// What stands between two frames.
const DIVIDER: &[u8] = b"\n--\n";

/// The bytes of all frames in `text`. A frame's first letter is its kind and the rest its payload; after `O` come the
/// execution, a digit, and the stream, `1` or `2`; after `i`, `c`, `K`, `o` and `t` the execution alone. After `!` come bytes as they
/// are. `R` alone is what an agent of today says.
pub(crate) fn compose(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    loop {
        let end = rest.windows(DIVIDER.len()).position(|window| window == DIVIDER);
        append(&mut bytes, &rest[..end.unwrap_or(rest.len())]);
        match end {
            Some(end) => rest = &rest[end + DIVIDER.len()..],
            None => return bytes,
        }
    }
}

fn append(bytes: &mut Vec<u8>, frame: &[u8]) {
    let Some((&letter, payload)) = frame.split_first() else {
        return;
    };
    let kind = match letter {
        b'!' => return bytes.extend_from_slice(payload),
        b'R' if payload.is_empty() => return append(bytes, format!("R{{\"version\":{VERSION}}}").as_bytes()),
        b'B' => FrameKind::Begin,
        b'P' => FrameKind::Put,
        b'p' => FrameKind::Prepare,
        b'X' => FrameKind::Exec,
        b'i' => FrameKind::Input,
        b'c' => FrameKind::CloseInput,
        b'K' => FrameKind::Kill,
        b'L' => FrameKind::Seal,
        b'G' => FrameKind::Get,
        b'E' => FrameKind::End,
        b'o' => FrameKind::OutputTaken,
        b'd' => FrameKind::Data,
        b'R' => FrameKind::Ready,
        b'O' => FrameKind::Output,
        b'D' => FrameKind::Exited,
        b'S' => FrameKind::Sealed,
        b't' => FrameKind::InputTaken,
        b'f' => FrameKind::File,
        _ => FrameKind::Fault,
    };
    let id = |digit: u8| ExecId(u32::from(digit.wrapping_sub(b'0')));
    let (tag, payload) = match (kind, payload) {
        (FrameKind::Output, &[digit, stream, ref data @ ..]) => {
            let stream = if stream == b'2' {
                Stream::Stderr
            } else {
                Stream::Stdout
            };
            let id = id(digit);
            (OutputTag { id, stream }.encode().to_vec(), data)
        }
        (
            FrameKind::Input
            | FrameKind::CloseInput
            | FrameKind::Kill
            | FrameKind::InputTaken
            | FrameKind::OutputTaken,
            &[digit, ref rest @ ..],
        ) => (id(digit).encode().to_vec(), rest),
        _ => (Vec::new(), payload),
    };
    // Longer than it may be, too: whoever reads it has to see to that.
    let len = u32::try_from(tag.len() + payload.len()).unwrap_or(u32::MAX);
    bytes.push(kind as u8);
    bytes.extend(len.to_be_bytes());
    bytes.extend(tag);
    bytes.extend_from_slice(payload);
}

/// The length of the first frame, its header included; that of everything where it is no whole frame.
pub(crate) fn first_len(bytes: &[u8]) -> usize {
    match Decoder::new().feed(&mut &*bytes) {
        Ok(Some(Part::Header(FrameHeader { len, .. }))) => (HEADER_LEN + len).min(bytes.len()),
        _ => bytes.len(),
    }
}
