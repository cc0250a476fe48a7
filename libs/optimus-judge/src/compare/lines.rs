//! Equal after removing trailing white space of each line, and trailing blank lines.

use memchr::{memchr, memrchr};

use super::{
    difference::{self, Difference},
    text::{blank_lines, common_prefix, newlines, trim_end},
};

#[derive(Debug)]
pub(super) struct Lines<'e> {
    /// Without trailing white space and blank lines.
    expected: &'e [u8],
    /// Where the current line of `expected` starts and, trimmed, ends. Past the last line both are its length.
    start: usize,
    end: usize,
    /// Where the line after it starts; past the last one, beyond its length.
    next: usize,
    /// What the output's current line has matched: `expected[start..at]`.
    at: usize,
    /// White space that followed. Trailing or not, the next byte tells.
    pending: Pending,
    /// The output's current line, from 1.
    number: u64,
    difference: Option<Difference>,
}

/// White space that may turn out to be trailing.
#[derive(Debug, Default)]
struct Pending {
    /// Bytes of it with which `expected` goes on.
    matched: usize,
    /// The first ones with which it does not.
    excess: Vec<u8>,
}

impl Pending {
    fn clear(&mut self) {
        self.matched = 0;
        self.excess.clear();
    }
}

impl<'e> Lines<'e> {
    pub(super) fn new(expected: &'e [u8]) -> Self {
        let mut lines = Self {
            expected: trim_end(expected),
            start: 0,
            end: 0,
            next: 0,
            at: 0,
            pending: Pending::default(),
            number: 1,
            difference: None,
        };
        lines.load_line();
        lines
    }

    pub(super) fn feed(&mut self, mut chunk: &[u8]) {
        while !chunk.is_empty() && self.difference.is_none() {
            chunk = &chunk[self.whole_lines(chunk)..];
            let newline = memchr(b'\n', chunk);
            let part = &chunk[..newline.unwrap_or(chunk.len())];
            if let Some((offset, difference)) = self.part_of_line(part) {
                chunk = &chunk[offset..];
                self.difference = Some(difference);
            } else if newline.is_some() {
                chunk = &chunk[part.len()..];
                self.difference = self.end_line();
                if self.difference.is_none() {
                    chunk = &chunk[1..];
                }
            } else {
                return;
            }
        }
        if let Some(difference) = &mut self.difference {
            difference.feed(chunk, |byte| byte == b'\n');
        }
    }

    pub(super) fn finish(self) -> Option<String> {
        match self.difference {
            Some(difference) => Some(difference.into_message()),
            None if self.at < self.end || self.next < self.expected.len() => {
                Some(format!("the output ends too early, in line {}", self.number))
            }
            None => None,
        }
    }

    /// Takes lines that are as expected to the byte, and blank ones behind the last that is expected, all at once, where
    /// one begins. Returns their length.
    fn whole_lines(&mut self, chunk: &[u8]) -> usize {
        if self.at > self.start || self.pending.matched > 0 || !self.pending.excess.is_empty() {
            return 0;
        }
        let (len, lines) = if self.start == self.expected.len() {
            blank_lines(chunk)
        } else {
            let same = common_prefix(&self.expected[self.start..], chunk);
            let len = memrchr(b'\n', &chunk[..same]).map_or(0, |newline| newline + 1);
            (len, newlines(&chunk[..len]))
        };
        if len > 0 {
            self.next = self.start + len;
            self.number += lines;
            self.load_line();
        }
        len
    }

    /// Compares bytes of one line; where they differ, from which of them on.
    fn part_of_line(&mut self, part: &[u8]) -> Option<(usize, Difference)> {
        let body = trim_end(part);
        if !body.is_empty() {
            self.at += self.pending.matched;
            if !self.pending.excess.is_empty() {
                let mut difference = self.difference_here();
                difference.feed(&self.pending.excess, |_| false);
                return Some((0, difference));
            }
            self.pending.clear();
            let rest = &self.expected[self.at..self.end];
            if !rest.starts_with(body) {
                let same = common_prefix(rest, body);
                self.at += same;
                return Some((same, self.difference_here()));
            }
            self.at += body.len();
        }
        self.keep_pending(&part[body.len()..]);
        None
    }

    fn keep_pending(&mut self, mut space: &[u8]) {
        if self.pending.excess.is_empty() {
            let rest = &self.expected[self.at + self.pending.matched..self.end];
            let same = common_prefix(rest, space);
            self.pending.matched += same;
            space = &space[same..];
        }
        let room = difference::AFTER - self.pending.excess.len();
        self.pending
            .excess
            .extend_from_slice(&space[..space.len().min(room)]);
    }

    fn end_line(&mut self) -> Option<Difference> {
        if self.at < self.end {
            let place = format!("line {} ends too early", self.number);
            return Some(Difference::new(place, &self.expected[self.start..self.at]));
        }
        self.load_line();
        self.pending.clear();
        self.number += 1;
        None
    }

    fn load_line(&mut self) {
        self.start = self.next.min(self.expected.len());
        let rest = &self.expected[self.start..];
        let len = memchr(b'\n', rest).unwrap_or(rest.len());
        self.end = self.start + trim_end(&rest[..len]).len();
        self.next = self.start + len + 1;
        self.at = self.start;
    }

    fn difference_here(&self) -> Difference {
        let place = if self.start == self.expected.len() {
            format!("line {} is one too many", self.number)
        } else {
            format!(
                "line {} differs in column {}",
                self.number,
                difference::column(&self.expected[self.start..self.at])
            )
        };
        Difference::new(place, &self.expected[self.start..self.at])
    }
}
