//! Frames of the runner protocol from text that people can read and a fuzzer can change.

use optimus_protocol::{
    Decoder, FrameHeader, FrameKind, HEADER_LEN, JobStep, OutputTag, Part, Stream, VERSION,
};

/// What stands between two frames.
const DIVIDER: &[u8] = b"\n--\n";

/// The bytes of all frames in `text`. A frame's first letter is its kind and the rest its payload; after `O` come the
/// run, a digit or `c` for the compile step, and the stream, `1` or `2`. After `!` come bytes as they are. `R` alone is
/// what an agent of today says.
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
        b'J' => FrameKind::Job,
        b'f' => FrameKind::FileData,
        b'T' => FrameKind::Test,
        b'i' => FrameKind::InputData,
        b'E' => FrameKind::End,
        b'R' => FrameKind::Ready,
        b'C' => FrameKind::CompileDone,
        b'D' => FrameKind::RunDone,
        b'O' => FrameKind::Output,
        _ => FrameKind::Fault,
    };
    let tag = match (kind, payload) {
        (FrameKind::Output, &[run, stream, ..]) => {
            let step = match run {
                b'c' => JobStep::Compile,
                _ => JobStep::Run(u32::from(run.wrapping_sub(b'0'))),
            };
            let stream = if stream == b'2' {
                Stream::Stderr
            } else {
                Stream::Stdout
            };
            OutputTag { step, stream }.encode().to_vec()
        }
        _ => Vec::new(),
    };
    let payload = if tag.is_empty() { payload } else { &payload[2..] };
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
