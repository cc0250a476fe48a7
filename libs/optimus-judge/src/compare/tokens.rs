//! Equal as sequences of tokens separated by white space: as text, or as numbers within a tolerance.

use memchr::memchr_iter;

use super::{common_prefix, difference::Difference, is_space};

/// The longest token read as a number; a longer one is text. No double needs more than 1100 digits.
const LONGEST_NUMBER: usize = 4 << 10;

/// When two tokens are equal.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rule {
    Text,
    AnyCase,
    Number { abs_tolerance: f64, rel_tolerance: f64 },
}

#[derive(Debug)]
pub(super) struct Tokens<'e> {
    expected: &'e [u8],
    rule: Rule,
    /// The current token of `expected`.
    start: usize,
    end: usize,
    /// What the output's current token has matched so far: `expected[start..at]`.
    at: usize,
    /// Whether the output is inside a token.
    inside: bool,
    /// The output's current token where it may be a number, cut one byte behind the longest.
    number: Vec<u8>,
    /// Whether the current token is, so far, byte by byte the expected one. Only numbers may go on if it is not.
    same: bool,
    /// The output's current token and line, from 1.
    token: u64,
    line: u64,
    difference: Option<Difference>,
}

impl<'e> Tokens<'e> {
    pub(super) fn new(expected: &'e [u8], rule: Rule) -> Self {
        Self {
            expected,
            rule,
            start: 0,
            end: 0,
            at: 0,
            inside: false,
            number: Vec::new(),
            same: true,
            token: 0,
            line: 1,
            difference: None,
        }
    }

    pub(super) fn feed(&mut self, mut chunk: &[u8]) {
        while !chunk.is_empty() && self.difference.is_none() {
            if !self.inside {
                let space = chunk
                    .iter()
                    .position(|byte| !is_space(*byte))
                    .unwrap_or(chunk.len());
                self.line += memchr_iter(b'\n', &chunk[..space]).count() as u64;
                chunk = &chunk[space..];
                if chunk.is_empty() {
                    return;
                }
                self.difference = self.start_token();
                continue;
            }
            let len = chunk
                .iter()
                .position(|byte| is_space(*byte))
                .unwrap_or(chunk.len());
            if let Some((offset, difference)) = self.part_of_token(&chunk[..len]) {
                chunk = &chunk[offset..];
                self.difference = Some(difference);
                break;
            }
            chunk = &chunk[len..];
            if !chunk.is_empty() {
                self.difference = self.end_token();
            }
        }
        if let Some(difference) = &mut self.difference {
            difference.feed(chunk, is_space);
        }
    }

    pub(super) fn finish(mut self) -> Option<String> {
        if self.difference.is_none() && self.inside {
            self.difference = self.end_token();
        }
        if let Some(difference) = self.difference {
            return Some(difference.into_message());
        }
        self.load_token();
        match self.token {
            _ if self.start == self.expected.len() => None,
            0 => Some("the output has no tokens".to_owned()),
            token => Some(format!("the output ends too early, after token {token}")),
        }
    }

    fn start_token(&mut self) -> Option<Difference> {
        self.load_token();
        self.inside = true;
        self.token += 1;
        self.same = true;
        self.number.clear();
        (self.start == self.expected.len()).then(|| {
            Difference::new(
                format!("token {} in line {} is one too many", self.token, self.line),
                b"",
            )
        })
    }

    /// Compares bytes of one token; where they differ, from which of them on.
    fn part_of_token(&mut self, part: &[u8]) -> Option<(usize, Difference)> {
        let rest = &self.expected[self.at..self.end];
        let same = match self.rule {
            Rule::Text => rest.starts_with(part),
            Rule::AnyCase => rest.len() >= part.len() && rest[..part.len()].eq_ignore_ascii_case(part),
            Rule::Number { .. } => {
                let room = LONGEST_NUMBER + 1 - self.number.len();
                self.number.extend_from_slice(&part[..part.len().min(room)]);
                if self.same {
                    self.same = rest.starts_with(part);
                    self.at += if self.same { part.len() } else { 0 };
                }
                return None;
            }
        };
        if same {
            self.at += part.len();
            return None;
        }
        let offset = match self.rule {
            Rule::AnyCase => rest
                .iter()
                .zip(part)
                .take_while(|(a, b)| a.eq_ignore_ascii_case(b))
                .count(),
            Rule::Text | Rule::Number { .. } => common_prefix(rest, part),
        };
        self.at += offset;
        let before = &self.expected[self.start..self.at];
        Some((offset, Difference::new(self.place(), before)))
    }

    fn end_token(&mut self) -> Option<Difference> {
        self.inside = false;
        let complete = self.same && self.at == self.end;
        let equal = match self.rule {
            Rule::Text | Rule::AnyCase => complete,
            // Equal bytes go first, so that integers too large for a double are compared in every digit.
            Rule::Number { .. } if complete => !is_nan(&self.number),
            Rule::Number {
                abs_tolerance,
                rel_tolerance,
            } => match (parse(&self.number), parse(&self.expected[self.start..self.end])) {
                (Some(got), Some(expected)) => within(got, expected, abs_tolerance, rel_tolerance),
                _ => false,
            },
        };
        if equal {
            return None;
        }
        let mut difference = match self.rule {
            Rule::Number { .. } => Difference::new(self.place(), b""),
            Rule::Text | Rule::AnyCase => Difference::new(self.place(), &self.expected[self.start..self.at]),
        };
        difference.feed(&self.number, |_| false);
        Some(difference)
    }

    fn load_token(&mut self) {
        let rest = &self.expected[self.end..];
        let space = rest
            .iter()
            .position(|byte| !is_space(*byte))
            .unwrap_or(rest.len());
        self.start = self.end + space;
        let rest = &self.expected[self.start..];
        self.end = self.start + rest.iter().position(|byte| is_space(*byte)).unwrap_or(rest.len());
        self.at = self.start;
    }

    fn place(&self) -> String {
        format!("token {} in line {} differs", self.token, self.line)
    }
}

/// A number in decimal notation, an infinity, or NaN.
fn parse(token: &[u8]) -> Option<f64> {
    if token.len() > LONGEST_NUMBER {
        return None;
    }
    str::from_utf8(token).ok()?.parse().ok()
}

/// Only `nan` is, with or without a sign, in any case of its letters.
fn is_nan(token: &[u8]) -> bool {
    token.len() <= 4 && parse(token).is_some_and(f64::is_nan)
}

fn within(got: f64, expected: f64, abs_tolerance: f64, rel_tolerance: f64) -> bool {
    if got.is_infinite() || expected.is_infinite() {
        return got.total_cmp(&expected).is_eq();
    }
    // False for NaN.
    let distance = (got - expected).abs();
    distance <= abs_tolerance || distance <= rel_tolerance * expected.abs()
}
