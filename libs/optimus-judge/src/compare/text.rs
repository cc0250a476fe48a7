//! What the checkers know of bytes that are text.

use memchr::{memchr_iter, memrchr};

/// ASCII white space, `\v` included, which `u8::is_ascii_whitespace` leaves out.
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

pub(super) fn trim_end(bytes: &[u8]) -> &[u8] {
    let end = bytes
        .iter()
        .rposition(|byte| !is_space(*byte))
        .map_or(0, |last| last + 1);
    &bytes[..end]
}

pub(super) fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    // Blocks are compared at once, large ones by the machine's widest instructions.
    fn blocks<const SIZE: usize>(a: &[u8], b: &[u8]) -> usize {
        let blocks = a.as_chunks::<SIZE>().0.iter().zip(b.as_chunks::<SIZE>().0);
        SIZE * blocks.take_while(|(a, b)| a == b).count()
    }
    let mut same = blocks::<64>(a, b);
    same += blocks::<8>(&a[same..], &b[same..]);
    let rest = a[same..].iter().zip(&b[same..]);
    same + rest.take_while(|(a, b)| a == b).count()
}

pub(super) fn newlines(text: &[u8]) -> u64 {
    // What is short is counted before the other way has begun.
    const SHORT: usize = 16;
    if text.len() <= SHORT {
        text.iter().map(|byte| u64::from(*byte == b'\n')).sum()
    } else {
        memchr_iter(b'\n', text).count() as u64
    }
}

/// The blank lines at the beginning of a text: their length, and how many they are.
pub(super) fn blank_lines(text: &[u8]) -> (usize, u64) {
    let space = text
        .iter()
        .position(|byte| !is_space(*byte))
        .unwrap_or(text.len());
    let len = memrchr(b'\n', &text[..space]).map_or(0, |newline| newline + 1);
    (len, newlines(&text[..len]))
}
