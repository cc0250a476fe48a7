//! How a target's input is divided, such that seeds can be read and written by people.

use std::io::{self, Read};

/// Splits at the first line that is only `====`; without one, both halves are the whole.
pub(crate) fn halves(input: &[u8]) -> (&[u8], &[u8]) {
    const DIVIDER: &[u8] = b"\n====\n";
    match input.windows(DIVIDER.len()).position(|window| window == DIVIDER) {
        Some(at) => (&input[..at], &input[at + DIVIDER.len()..]),
        None => (input, input),
    }
}

/// The first bytes, which choose between variants; zeroes where there are none.
pub(crate) fn choices<const N: usize>(input: &[u8]) -> ([u8; N], &[u8]) {
    let mut choices = [0; N];
    let known = input.len().min(N);
    choices[..known].copy_from_slice(&input[..known]);
    (choices, &input[known..])
}

/// Lengths of chunks, different and not regular, chosen by one byte.
#[derive(Debug, Clone)]
pub(crate) struct Cuts(u32);

impl Cuts {
    pub(crate) fn new(choice: u8) -> Self {
        Self(u32::from(choice).wrapping_mul(2_654_435_761) | 1)
    }

    pub(crate) fn next_len(&mut self) -> usize {
        // The generator of Numerical Recipes; its upper bits are the better ones.
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        match self.0 >> 29 {
            0 => 1,
            1 | 2 => 2 + (self.0 >> 16 & 3) as usize,
            3..6 => 1 + (self.0 >> 16 & 63) as usize,
            _ => 1 + (self.0 >> 16 & 4095) as usize,
        }
    }

    pub(crate) fn chunks(mut self, mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
        std::iter::from_fn(move || {
            let len = self.next_len().min(bytes.len());
            let (chunk, rest) = bytes.split_at(len);
            bytes = rest;
            (!chunk.is_empty()).then_some(chunk)
        })
    }
}

/// A stream that arrives in these chunks.
pub(crate) struct Stream<'a> {
    rest: &'a [u8],
    cuts: Option<Cuts>,
}

impl<'a> Stream<'a> {
    pub(crate) fn whole(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            cuts: None,
        }
    }

    pub(crate) fn cut(bytes: &'a [u8], cuts: Cuts) -> Self {
        Self {
            rest: bytes,
            cuts: Some(cuts),
        }
    }
}

impl Read for Stream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let chunk = match &mut self.cuts {
            Some(cuts) => cuts.next_len(),
            None => usize::MAX,
        };
        let len = chunk.min(buffer.len()).min(self.rest.len());
        let (now, later) = self.rest.split_at(len);
        buffer[..len].copy_from_slice(now);
        self.rest = later;
        Ok(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_the_whole_again() {
        let bytes: Vec<u8> = (0..10_000_u32).map(|n| n.to_be_bytes()[3]).collect();
        for choice in 0..=255 {
            let chunks: Vec<_> = Cuts::new(choice).chunks(&bytes).collect();
            assert!(chunks.len() > 1);
            assert_eq!(chunks.concat(), bytes);
            let mut read = Vec::new();
            Stream::cut(&bytes, Cuts::new(choice))
                .read_to_end(&mut read)
                .unwrap();
            assert_eq!(read, bytes);
        }
    }

    #[test]
    fn an_input_divides_once() {
        assert_eq!(halves(b"a\n====\nb\n====\nc"), (&b"a"[..], &b"b\n====\nc"[..]));
        assert_eq!(halves(b"a"), (&b"a"[..], &b"a"[..]));
        assert_eq!(choices::<2>(b"abc"), ([b'a', b'b'], &b"c"[..]));
        assert_eq!(choices::<2>(b"a"), ([b'a', 0], &b""[..]));
    }
}
