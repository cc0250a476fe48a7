//! What of an output stream is kept for people to read.

use optimus_common::payload::Base64Bytes;

/// Bytes kept of a stream's end, where runtimes write why they died.
const TAIL: usize = 16 << 10;

/// Keeps the first bytes of a stream, and a few of the last, whatever its length.
#[derive(Debug, Clone)]
pub struct Capture {
    head: Vec<u8>,
    max: usize,
    /// The last bytes of the stream, those in `head` included; up to twice [`TAIL`], so that it rarely moves.
    tail: Vec<u8>,
    total: u64,
}

/// A stream as it stands in a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Captured {
    /// Invalid UTF-8 replaced.
    pub text: String,
    /// The same bytes exactly, where they are not UTF-8.
    pub base64: Option<Base64Bytes>,
    /// Whether the stream was longer than this.
    pub truncated: bool,
}

impl Capture {
    /// Keeps at most `max` bytes for display, counted as they stand in a result.
    pub fn new(max: usize) -> Self {
        Self {
            head: Vec::new(),
            max,
            tail: Vec::new(),
            total: 0,
        }
    }

    pub fn feed(&mut self, data: &[u8]) {
        let room = self.max - self.head.len();
        self.head.extend_from_slice(&data[..data.len().min(room)]);
        let last = &data[data.len().saturating_sub(TAIL)..];
        if last.len() == TAIL {
            self.tail.clear();
        } else if self.tail.len() + last.len() > 2 * TAIL {
            self.tail.drain(..self.tail.len() + last.len() - TAIL);
        }
        self.tail.extend_from_slice(last);
        self.total += data.len() as u64;
    }

    /// The true length of the stream.
    pub fn total_bytes(&self) -> u64 {
        self.total
    }

    /// The stream's last lines, the last one first, without their ends and without one that is not kept whole.
    pub fn last_lines(&self) -> impl Iterator<Item = &[u8]> {
        let cut = self.total > self.tail.len() as u64;
        let whole = match self.tail.iter().position(|byte| *byte == b'\n') {
            Some(newline) if cut => &self.tail[newline + 1..],
            None if cut => &[],
            _ => &self.tail[..],
        };
        whole
            .rsplit(|byte| *byte == b'\n')
            .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
    }

    /// What of it is stored: as much of its beginning as takes no more than the maximum in a result.
    pub fn into_captured(mut self) -> Captured {
        if self.total > self.head.len() as u64 {
            self.head.truncate(whole_characters(&self.head));
        }
        let text_alone = fitting(&self.head, self.max, |_| 0);
        let kept = match std::str::from_utf8(&self.head[..text_alone]) {
            Ok(_) => text_alone,
            Err(_) => fitting(&self.head, self.max, base64_bytes),
        };
        self.head.truncate(kept);
        let truncated = self.total > self.head.len() as u64;
        match String::from_utf8(self.head) {
            Ok(text) => Captured {
                text,
                base64: None,
                truncated,
            },
            Err(error) => Captured {
                text: String::from_utf8_lossy(error.as_bytes()).into_owned(),
                base64: Some(Base64Bytes(error.into_bytes())),
                truncated,
            },
        }
    }
}

/// The length of the longest beginning of `bytes` that takes at most `max` as text in JSON, and what `beside` says its
/// length takes besides. A program must not choose how much is stored by what it prints: a control character takes six
/// bytes there.
fn fitting(bytes: &[u8], max: usize, beside: impl Fn(usize) -> usize) -> usize {
    let (mut kept, mut taken) = (0, 0);
    for chunk in bytes.utf8_chunks() {
        let valid = chunk.valid().chars().map(|c| (c.len_utf8(), json_bytes(c)));
        let replaced = Some((chunk.invalid().len(), char::REPLACEMENT_CHARACTER.len_utf8()));
        for (length, takes) in valid.chain(replaced.filter(|(length, _)| *length > 0)) {
            if taken + takes + beside(kept + length) > max {
                return kept;
            }
            kept += length;
            taken += takes;
        }
    }
    kept
}

/// As `serde_json` writes a character in a string.
fn json_bytes(c: char) -> usize {
    match c {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        '\0'..='\u{1f}' => 6,
        c => c.len_utf8(),
    }
}

fn base64_bytes(length: usize) -> usize {
    length.div_ceil(3) * 4
}

/// The length of `bytes` without a UTF-8 character that is cut at the end.
fn whole_characters(bytes: &[u8]) -> usize {
    let from = bytes.len().saturating_sub(3);
    for (i, byte) in bytes.iter().enumerate().skip(from).rev() {
        let length = match byte {
            0xC2..=0xDF => 2,
            0xE0..=0xEF => 3,
            0xF0..=0xF4 => 4,
            0x80..=0xBF => continue,
            _ => return bytes.len(),
        };
        return if i + length > bytes.len() { i } else { bytes.len() };
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn captured(max: usize, data: &[u8]) -> Captured {
        let mut capture = Capture::new(max);
        capture.feed(data);
        capture.into_captured()
    }

    #[test]
    fn a_short_stream_is_kept_whole() {
        assert_eq!(
            captured(11, b"hi\n\0!"),
            Captured {
                text: "hi\n\0!".to_owned(),
                base64: None,
                truncated: false
            }
        );
    }

    #[test]
    fn text_is_cut_between_characters() {
        for (max, kept) in [
            (1, "a"),
            (2, "a"),
            (3, "aé"),
            (4, "aé"),
            (5, "aé"),
            (6, "aé€"),
            (9, "aé€"),
            (10, "aé€😀"),
        ] {
            let captured = captured(max, "aé€😀b".as_bytes());
            assert_eq!((captured.text.as_str(), captured.base64), (kept, None), "{max}");
            assert!(captured.truncated);
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_kept_exactly_beside_the_readable_form() {
        // Five bytes as text, and four as base64.
        let captured = captured(9, b"a\xFFbc");
        assert_eq!(captured.text, "a\u{FFFD}b");
        assert_eq!(captured.base64, Some(Base64Bytes(b"a\xFFb".to_vec())));
        assert!(captured.truncated);
    }

    #[test]
    fn the_last_lines_of_a_long_stream_are_known() {
        let mut capture = Capture::new(10);
        assert_eq!(capture.last_lines().collect::<Vec<_>>(), [b""]);
        capture.feed(b"beginning\r\n");
        assert_eq!(capture.last_lines().collect::<Vec<_>>(), [&b""[..], b"beginning"]);
        for _ in 0..1000 {
            capture.feed(&[b'.'; 100]);
        }
        assert_eq!(capture.last_lines().collect::<Vec<_>>(), [b""], "none is whole");
        capture.feed(b"\nout of ");
        capture.feed(b"memory");
        assert_eq!(capture.last_lines().collect::<Vec<_>>(), [b"out of memory"]);
        assert_eq!(capture.total_bytes(), 100_025);
    }

    #[test]
    fn what_is_stored_counts_as_it_is_stored() {
        assert_eq!(captured(60, &[1; 100]).text, "\u{1}".repeat(10));
        assert_eq!(captured(60, &[b'"'; 100]).text, "\"".repeat(30));
        assert_eq!(captured(60, &[b'x'; 100]).text, "x".repeat(60));
        let cut = captured(60, &[1; 10]);
        assert_eq!((cut.text.len(), cut.truncated), (10, false));
        let bytes = captured(60, &[0xFF; 100]);
        // 13 times three bytes as text, and 13 bytes as base64.
        assert_eq!(bytes.base64.map(|bytes| bytes.0.len()), Some(13));
        assert!(bytes.truncated);
    }

    proptest! {
        #[test]
        fn no_stream_takes_more_than_its_maximum(data in prop::collection::vec(prop_oneof![any::<u8>(), 0u8..32], 0..200), max in 0usize..300) {
            let captured = captured(max, &data);
            // Without the quotes.
            let text = serde_json::to_string(&captured.text).unwrap().len() - 2;
            let base64 = captured.base64.as_ref().map_or(0, |bytes| serde_json::to_string(bytes).unwrap().len() - 2);
            let stored = text + base64;
            prop_assert!(stored <= max, "{} of {}", stored, max);
            let kept = captured.base64.map_or(captured.text.len(), |bytes| bytes.0.len());
            prop_assert_eq!(captured.truncated, kept < data.len());
        }

        #[test]
        fn chunks_do_not_matter(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9000), 0..5), max in 0usize..9000) {
            let whole = chunks.concat();
            let mut capture = Capture::new(max);
            for chunk in &chunks {
                capture.feed(chunk);
            }
            prop_assert!(capture.tail.len() <= 2 * TAIL);
            prop_assert!(capture.tail.len() >= whole.len().min(TAIL));
            prop_assert!(whole.ends_with(&capture.tail));
            prop_assert_eq!(capture.into_captured(), captured(max, &whole));
        }
    }
}
