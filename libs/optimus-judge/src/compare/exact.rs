//! Equal byte by byte.

use memchr::{memchr_iter, memrchr};
use optimus_common::counted;

use super::{difference::Difference, text::common_prefix};

#[derive(Debug)]
pub(super) struct Exact<'e> {
    expected: &'e [u8],
    /// Bytes of `expected` that the output has matched.
    at: usize,
    difference: Option<Difference>,
}

impl<'e> Exact<'e> {
    pub(super) fn new(expected: &'e [u8]) -> Self {
        Self {
            expected,
            at: 0,
            difference: None,
        }
    }

    pub(super) fn feed(&mut self, mut chunk: &[u8]) {
        if self.difference.is_none() {
            let rest = &self.expected[self.at..];
            if rest.starts_with(chunk) {
                self.at += chunk.len();
                return;
            }
            let same = common_prefix(rest, chunk);
            self.at += same;
            chunk = &chunk[same..];
            self.difference = Some(self.difference_here());
        }
        if let Some(difference) = &mut self.difference {
            difference.feed(chunk, |byte| byte == b'\n');
        }
    }

    pub(super) fn finish(self) -> Option<String> {
        match self.difference {
            Some(difference) => Some(difference.into_message()),
            None if self.at < self.expected.len() => Some(format!(
                "the output ends too early, after {} in line {}",
                counted(self.at, "byte"),
                self.line()
            )),
            None => None,
        }
    }

    fn difference_here(&self) -> Difference {
        let matched = &self.expected[..self.at];
        let line_start = memrchr(b'\n', matched).map_or(0, |newline| newline + 1);
        let place = if self.at == self.expected.len() {
            format!(
                "the output goes on after its expected end, at byte {} in line {}",
                self.at + 1,
                self.line()
            )
        } else {
            format!(
                "the output differs at byte {}, in line {}",
                self.at + 1,
                self.line()
            )
        };
        Difference::new(place, &matched[line_start..])
    }

    /// Counted in `expected`, which the output has matched so far.
    fn line(&self) -> usize {
        memchr_iter(b'\n', &self.expected[..self.at]).count() + 1
    }
}
