//! As lines, in any order; each line as often as expected.

use std::hash::{BuildHasher, Hasher, RandomState};

use memchr::{memchr, memrchr};
use siphasher::sip128::{Hasher128, SipHasher13};

use super::text::{blank_lines, common_prefix, is_space, newlines, trim_end};

/// Two multisets of lines, compared by their sums of keyed hashes: one number each, however many lines there are.
///
/// The key is drawn for each comparison, so nobody can look for lines that collide; by chance two different
/// multisets do with a probability around 2^-100.
/// See Clarke et al., "Incremental Multiset Hash Functions" (2003), for the construction.
///
/// The lines with which the output begins as expected are in both, so they are left out of both. An output that holds more
/// than is expected is wrong, and not looked at any further.
#[derive(Debug)]
pub(super) struct Unordered<'e> {
    /// Without trailing white space and blank lines.
    expected: &'e [u8],
    /// How much of it the output begins with.
    same: usize,
    /// The line of `expected` in which they part, and of the output what comes from there; before that they are still the
    /// same.
    rest: Option<Rest>,
}

#[derive(Debug)]
struct Rest {
    from: usize,
    output: Multiset,
}

impl<'e> Unordered<'e> {
    pub(super) fn new(expected: &'e [u8]) -> Self {
        Self {
            expected: trim_end(expected),
            same: 0,
            rest: None,
        }
    }

    pub(super) fn feed(&mut self, mut chunk: &[u8]) {
        if self.rest.is_none() {
            let same = common_prefix(&self.expected[self.same..], chunk);
            self.same += same;
            chunk = &chunk[same..];
        }
        if chunk.is_empty() {
            return;
        }
        let rest = self.rest.get_or_insert_with(|| part(self.expected, self.same));
        // A line of `expected` is as long or longer where white space trails it.
        if rest.output.bytes() <= self.expected.len() - rest.from + 1 {
            rest.output.feed(chunk);
        }
    }

    pub(super) fn finish(self) -> Option<String> {
        let Self { expected, same, rest } = self;
        let Rest { from, output } = rest.unwrap_or_else(|| part(expected, same));
        let mut wanted = Multiset::new(output.empty);
        wanted.feed(&expected[from..]);
        let (got, wanted) = (output.finish(), wanted.finish());
        if got == wanted {
            None
        } else if got.bytes > wanted.bytes {
            Some("the lines hold more than the expected ones do".to_owned())
        } else if got.count == wanted.count {
            Some("the lines differ from the expected ones, whatever their order".to_owned())
        } else {
            let before = &expected[..from];
            let before = if got.count == 0 { trim_end(before) } else { before };
            let before = newlines(before) + u64::from(!before.is_empty() && !before.ends_with(b"\n"));
            let count = before + got.count;
            Some(format!("another number of lines than {count} is expected"))
        }
    }
}

/// Where an output parts from what is expected after so many bytes.
fn part(expected: &[u8], same: usize) -> Rest {
    let from = memrchr(b'\n', &expected[..same]).map_or(0, |newline| newline + 1);
    let mut output = Multiset::new(random_hasher());
    output.feed(&expected[from..same]);
    Rest { from, output }
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
    /// Has taken in the current line so far.
    hasher: SipHasher13,
    /// The hasher as it was before white space that may turn out to be trailing.
    trimmed: SipHasher13,
    /// Whether nothing of the current line has come.
    at_start: bool,
    /// Bytes of the current line, and without white space that may turn out to be trailing.
    length: usize,
    trimmed_length: usize,
    /// Blank lines that may turn out to be trailing.
    blank_lines: u64,
    sum: Sum,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sum {
    hash: u128,
    count: u64,
    /// Of all lines, each with one for its end.
    bytes: usize,
}

impl Multiset {
    fn new(empty: SipHasher13) -> Self {
        Self {
            empty,
            hasher: empty,
            trimmed: empty,
            at_start: true,
            length: 0,
            trimmed_length: 0,
            blank_lines: 0,
            sum: Sum {
                hash: 0,
                count: 0,
                bytes: 0,
            },
        }
    }

    /// What has come so far, without white space that may turn out to be trailing.
    fn bytes(&self) -> usize {
        self.sum.bytes + self.trimmed_length
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
                let line = trim_end(line);
                let mut hasher = self.empty;
                hasher.write(line);
                self.add(hasher, line.len());
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
            self.trimmed_length = self.length + body.len();
        }
        self.hasher.write(&part[body.len()..]);
        self.length += part.len();
    }

    fn end_line(&mut self) {
        if self.trimmed_length == 0 {
            self.blank_lines += 1;
        } else {
            self.add(self.trimmed, self.trimmed_length);
        }
        self.hasher = self.empty;
        self.trimmed = self.empty;
        self.length = 0;
        self.trimmed_length = 0;
        self.at_start = true;
    }

    /// A line that is not blank, and the blank ones before it.
    fn add(&mut self, line: SipHasher13, length: usize) {
        if self.blank_lines > 0 {
            let blank = self.empty.finish128().as_u128();
            let blank = blank.wrapping_mul(self.blank_lines.into());
            self.sum.hash = self.sum.hash.wrapping_add(blank);
        }
        self.sum.hash = self.sum.hash.wrapping_add(line.finish128().as_u128());
        self.sum.count += self.blank_lines + 1;
        let blank_lines = usize::try_from(self.blank_lines).unwrap_or(usize::MAX);
        let length = (length + 1).saturating_add(blank_lines);
        self.sum.bytes = self.sum.bytes.saturating_add(length);
        self.blank_lines = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_more_than_expected_is_not_looked_at() {
        let mut unordered = Unordered::new(b"a\nb");
        for _ in 0..1000 {
            unordered.feed(b"b\na\n");
        }
        let looked_at = unordered.rest.as_ref().unwrap().output.sum.count;
        assert!(looked_at < 10, "{looked_at} lines");
        unordered.feed(b"and so on");
        assert_eq!(
            unordered.finish().unwrap(),
            "the lines hold more than the expected ones do"
        );
    }

    #[test]
    fn what_comes_in_the_expected_order_is_not_hashed() {
        let expected = b"1\n\n2\n3\n4";
        let mut unordered = Unordered::new(expected);
        expected[..5].iter().for_each(|byte| unordered.feed(&[*byte]));
        assert!(unordered.rest.is_none());
        unordered.feed(b"4\n3 \n\n");
        assert_eq!(unordered.rest.as_ref().unwrap().from, 5);
        assert_eq!(unordered.finish(), None);
    }
}
