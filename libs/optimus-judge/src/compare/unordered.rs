//! As lines, in any order; each line as often as expected.

use std::hash::{BuildHasher, Hasher, RandomState};

use memchr::memchr;
use siphasher::sip128::{Hasher128, SipHasher13};

use super::{blank_lines, is_space, trim_end};

/// Two multisets of lines, compared by their sums of keyed hashes: one number each, however many lines there are.
///
/// The key is drawn for each comparison, so nobody can look for lines that collide; by chance two different
/// multisets do with a probability around 2^-100.
/// See Clarke et al., "Incremental Multiset Hash Functions" (2003), for the construction.
#[derive(Debug)]
pub(super) struct Unordered<'e> {
    expected: &'e [u8],
    hasher: SipHasher13,
    output: Multiset,
}

impl<'e> Unordered<'e> {
    pub(super) fn new(expected: &'e [u8]) -> Self {
        let hasher = random_hasher();
        Self {
            expected,
            hasher,
            output: Multiset::new(hasher),
        }
    }

    pub(super) fn feed(&mut self, chunk: &[u8]) {
        self.output.feed(chunk);
    }

    pub(super) fn finish(self) -> Option<String> {
        let mut expected = Multiset::new(self.hasher);
        expected.feed(self.expected);
        let (got, expected) = (self.output.finish(), expected.finish());
        if got == expected {
            None
        } else if got.count == expected.count {
            Some("the lines differ from the expected ones, whatever their order".to_owned())
        } else {
            Some(format!("another number of lines than {} is expected", got.count))
        }
    }
}

fn random_hasher() -> SipHasher13 {
    let random = RandomState::new();
    let key = |number: u8| {
        let mut hasher = random.build_hasher();
        hasher.write_u8(number);
        hasher.finish()
    };
    SipHasher13::new_with_keys(key(0), key(1))
}

/// The lines of a text that arrives in parts, without trailing white space and trailing blank lines.
#[derive(Debug)]
struct Multiset {
    empty: SipHasher13,
    /// Of the current line.
    hasher: SipHasher13,
    /// The hasher as it was before white space that may turn out to be trailing.
    trimmed: SipHasher13,
    /// Whether nothing of the current line has come.
    at_start: bool,
    /// Whether the current line has anything but white space.
    blank: bool,
    /// Blank lines that may turn out to be trailing.
    blank_lines: u64,
    sum: Sum,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sum {
    hash: u128,
    count: u64,
}

impl Multiset {
    fn new(empty: SipHasher13) -> Self {
        Self {
            empty,
            hasher: empty,
            trimmed: empty,
            at_start: true,
            blank: true,
            blank_lines: 0,
            sum: Sum { hash: 0, count: 0 },
        }
    }

    fn feed(&mut self, mut chunk: &[u8]) {
        loop {
            if self.at_start && chunk.first().is_some_and(|first| is_space(*first)) {
                let (len, lines) = blank_lines(chunk);
                self.blank_lines += lines;
                chunk = &chunk[len..];
            }
            let Some(newline) = memchr(b'\n', chunk) else {
                break;
            };
            let line = &chunk[..newline];
            if self.at_start {
                // It has something in it, and all of it is here.
                let mut hasher = self.empty;
                hasher.write(trim_end(line));
                self.add(hasher);
            } else {
                self.part_of_line(line);
                self.end_line();
            }
            chunk = &chunk[newline + 1..];
        }
        if !chunk.is_empty() {
            self.at_start = false;
            self.part_of_line(chunk);
        }
    }

    fn finish(mut self) -> Sum {
        self.end_line();
        self.sum
    }

    fn part_of_line(&mut self, part: &[u8]) {
        let body = trim_end(part);
        if !body.is_empty() {
            self.hasher.write(body);
            self.trimmed = self.hasher;
            self.blank = false;
        }
        self.hasher.write(&part[body.len()..]);
    }

    fn end_line(&mut self) {
        if self.blank {
            self.blank_lines += 1;
        } else {
            self.add(self.trimmed);
        }
        self.hasher = self.empty;
        self.trimmed = self.empty;
        self.blank = true;
        self.at_start = true;
    }

    /// A line that is not blank, and the blank ones before it.
    fn add(&mut self, line: SipHasher13) {
        if self.blank_lines > 0 {
            let blank = self.empty.finish128().as_u128();
            let blank = blank.wrapping_mul(self.blank_lines.into());
            self.sum.hash = self.sum.hash.wrapping_add(blank);
        }
        self.sum.hash = self.sum.hash.wrapping_add(line.finish128().as_u128());
        self.sum.count += self.blank_lines + 1;
        self.blank_lines = 0;
    }
}
