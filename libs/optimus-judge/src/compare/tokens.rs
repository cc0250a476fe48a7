//! Equal as sequences of tokens separated by white space: as text, or as numbers within a tolerance.

use memchr::memchr2;

use super::{
    decimal::{self, Number, Tolerance},
    difference::Difference,
    text::{common_prefix, is_space, newlines, trim_end},
};

/// The longest token read as a number, since it is kept until it is complete; a longer one is text.
const LONGEST_NUMBER: usize = 1 << 20;

/// When two outputs are equal.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    pub(super) case: Case,
    /// Whether tokens that are numbers are compared as such.
    pub(super) numbers: Option<Numbers>,
    pub(super) space: Space,
}

/// Whether `YES` differs from `yes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    Sensitive,
    Any,
}

/// How far two numbers may be apart: by either tolerance.
#[derive(Debug, Clone, Copy)]
pub(super) struct Numbers {
    pub(super) abs_tolerance: Tolerance,
    pub(super) rel_tolerance: Tolerance,
    pub(super) not_finite: NotFinite,
}

/// What infinities and NaN are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotFinite {
    /// NaN never equals anything, an infinity only itself.
    Numbers,
    Text,
}

/// What may stand between tokens, and around them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Space {
    Any,
    /// The same bytes as in the expected output.
    Same,
}

#[derive(Debug)]
pub(super) struct Tokens<'e> {
    expected: &'e [u8],
    rule: Rule,
    /// Whether a token equal to the expected one may be wrong all the same: NaN is.
    equal_may_be_wrong: bool,
    /// The current token of `expected`.
    start: usize,
    end: usize,
    /// What the output's current token has matched so far: `expected[start..at]`.
    at: usize,
    /// The white space that the output has matched so far ends here, where that counts.
    gap: usize,
    /// Whether the output is inside a token.
    inside: bool,
    /// The output's current token where it may be a number, cut one byte behind the longest.
    number: Vec<u8>,
    /// Whether the current token is, so far, the expected one as text. Only numbers may go on if it is not.
    same: bool,
    /// The output's current line, from 1.
    line: u64,
    difference: Option<Difference>,
}

impl<'e> Tokens<'e> {
    pub(super) fn new(expected: &'e [u8], rule: Rule) -> Self {
        Self {
            expected,
            rule,
            equal_may_be_wrong: rule
                .numbers
                .is_some_and(|numbers| numbers.not_finite == NotFinite::Numbers)
                && memchr2(b'n', b'N', expected).is_some(),
            start: 0,
            end: 0,
            at: 0,
            gap: 0,
            inside: false,
            number: Vec::new(),
            same: true,
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
                if let Some((offset, difference)) = self.part_of_space(&chunk[..space]) {
                    chunk = &chunk[offset..];
                    self.difference = Some(difference);
                    break;
                }
                chunk = &chunk[space..];
                if chunk.is_empty() {
                    return;
                }
                self.difference = self.start_token();
                if self.difference.is_none() {
                    chunk = &chunk[self.whole_tokens(chunk)..];
                }
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
        match self.token() - 1 {
            0 if self.start < self.expected.len() => Some("the output has no tokens".to_owned()),
            tokens if self.start < self.expected.len() => {
                Some(format!("the output ends too early, after token {tokens}"))
            }
            _ if self.rule.space == Space::Same && self.gap < self.expected.len() => {
                Some("the output ends too early, in its white space".to_owned())
            }
            _ => None,
        }
    }

    /// Compares white space, where it counts; where it differs, from which byte on.
    fn part_of_space(&mut self, part: &[u8]) -> Option<(usize, Difference)> {
        let same = match self.rule.space {
            Space::Any => part.len(),
            // What is no white space never equals any.
            Space::Same => common_prefix(&self.expected[self.gap..], part),
        };
        self.gap += same;
        self.line += newlines(&part[..same]);
        (same < part.len()).then(|| {
            let place = format!("the white space in line {} differs", self.line);
            (same, Difference::new(place, b""))
        })
    }

    fn start_token(&mut self) -> Option<Difference> {
        self.load_token();
        self.inside = true;
        self.same = true;
        self.number.clear();
        let is_one_too_many = self.start == self.expected.len();
        if !is_one_too_many && (self.rule.space == Space::Any || self.gap == self.start) {
            return None;
        }
        let (token, line) = (self.token(), self.line);
        let place = if is_one_too_many {
            format!("token {token} in line {line} is one too many")
        } else {
            format!("the white space before token {token} in line {line} differs")
        };
        Some(Difference::new(place, b""))
    }

    /// Takes tokens that are as expected to the byte, with the white space between them, all at once, where the first has
    /// just been started. Returns their length; the last of them has ended there.
    fn whole_tokens(&mut self, chunk: &[u8]) -> usize {
        if self.equal_may_be_wrong {
            return 0;
        }
        let expected = &self.expected[self.start..];
        let same = common_prefix(expected, chunk);
        let is_complete = chunk.get(same).is_some_and(|next| is_space(*next))
            && expected.get(same).is_none_or(|next| is_space(*next));
        let end = if is_complete {
            same
        } else {
            chunk[..same]
                .iter()
                .rposition(|byte| is_space(*byte))
                .unwrap_or(0)
        };
        let taken = trim_end(&chunk[..end]);
        if !taken.is_empty() {
            self.line += newlines(taken);
            self.end = self.start + taken.len();
            self.gap = self.end;
            self.inside = false;
        }
        taken.len()
    }

    /// Compares bytes of one token; where they differ, from which of them on.
    fn part_of_token(&mut self, part: &[u8]) -> Option<(usize, Difference)> {
        let rest = &self.expected[self.at..self.end];
        let matched = self.matched(rest, part);
        if self.rule.numbers.is_some() {
            let room = LONGEST_NUMBER + 1 - self.number.len();
            self.number.extend_from_slice(&part[..part.len().min(room)]);
            self.same &= matched == part.len();
            self.at += if self.same { matched } else { 0 };
            return None;
        }
        self.at += matched;
        (matched < part.len()).then(|| {
            let before = &self.expected[self.start..self.at];
            (matched, Difference::new(self.place(), before))
        })
    }

    /// How many bytes of a token are as expected.
    fn matched(&self, expected: &[u8], part: &[u8]) -> usize {
        match self.rule.case {
            Case::Sensitive if expected.starts_with(part) => part.len(),
            Case::Sensitive => common_prefix(expected, part),
            Case::Any => expected
                .iter()
                .zip(part)
                .take_while(|(a, b)| a.eq_ignore_ascii_case(b))
                .count(),
        }
    }

    fn end_token(&mut self) -> Option<Difference> {
        self.inside = false;
        self.gap = self.end;
        let complete = self.same && self.at == self.end;
        let equal = match self.rule.numbers {
            // Equal text needs no numbers, and may be longer than they are.
            Some(Numbers {
                not_finite: NotFinite::Numbers,
                ..
            }) if complete => !is_nan(&self.number),
            None | Some(_) if complete => true,
            Some(numbers) => numbers.equal(&self.number, &self.expected[self.start..self.end]),
            None => false,
        };
        if equal {
            return None;
        }
        let before = match self.rule.numbers {
            Some(_) => &[],
            None => &self.expected[self.start..self.at],
        };
        let mut difference = Difference::new(self.place(), before);
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

    /// The output's current token, from 1: it has matched all those that are expected before.
    fn token(&self) -> usize {
        let before = &self.expected[..self.start];
        let tokens = before.split(|byte| is_space(*byte));
        tokens.filter(|token| !token.is_empty()).count() + 1
    }

    fn place(&self) -> String {
        format!("token {} in line {} differs", self.token(), self.line)
    }
}

impl Numbers {
    /// Whether both are numbers, and near enough to each other.
    fn equal(&self, got: &[u8], expected: &[u8]) -> bool {
        let (Some(got), Some(expected)) = (parse(got), parse(expected)) else {
            return false;
        };
        match (got, expected) {
            (Number::Finite(got), Number::Finite(expected)) => {
                decimal::within(&got, &expected, self.abs_tolerance)
                    || decimal::relatively_within(&got, &expected, self.rel_tolerance)
            }
            (Number::Infinite { negative: got }, Number::Infinite { negative: expected }) => {
                self.not_finite == NotFinite::Numbers && got == expected
            }
            _ => false,
        }
    }
}

fn parse(token: &[u8]) -> Option<Number<'_>> {
    if token.len() > LONGEST_NUMBER {
        return None;
    }
    Number::parse(token)
}

/// Only `nan` is, with or without a sign, in any case of its letters.
fn is_nan(token: &[u8]) -> bool {
    matches!(parse(token), Some(Number::Undefined))
}
