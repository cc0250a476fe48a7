//! The checkers, comparing while the output arrives.
//!
//! Each holds a bounded amount of state, whatever a program writes: an output of one line of a gigabyte costs no
//! more memory than an empty one. How the output is cut into chunks never matters. A byte order mark is three bytes
//! like any others.
//!
//! What a checker says of a wrong answer is for the program's author: where the output differs, and what the program
//! itself wrote there. It never shows what was expected.

mod decimal;
mod difference;
mod exact;
mod lines;
mod tokens;
mod unordered;

use memchr::{memchr_iter, memrchr};
use optimus_common::checker::Checker;

use self::{
    decimal::Tolerance,
    exact::Exact,
    lines::Lines,
    tokens::{Case, NotFinite, Numbers, Rule, Space, Tokens},
    unordered::Unordered,
};

/// What a checker says of an output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    Accepted,
    Refused {
        /// Where it differs, in words.
        message: String,
    },
}

/// One output on its way through its checker.
#[derive(Debug)]
pub struct Comparison<'e>(Kind<'e>);

#[derive(Debug)]
enum Kind<'e> {
    Exact(Exact<'e>),
    Lines(Lines<'e>),
    Tokens(Tokens<'e>),
    Unordered(Unordered<'e>),
}

impl<'e> Comparison<'e> {
    pub fn new(checker: &Checker, expected: &'e [u8]) -> Self {
        let tokens = |rule| Kind::Tokens(Tokens::new(expected, rule));
        Self(match *checker {
            Checker::Exact => Kind::Exact(Exact::new(expected)),
            Checker::Lines => Kind::Lines(Lines::new(expected)),
            Checker::UnorderedLines => Kind::Unordered(Unordered::new(expected)),
            Checker::Tokens { case_sensitive } => tokens(Rule {
                case: case(case_sensitive),
                numbers: None,
                space: Space::Any,
            }),
            Checker::Float {
                abs_tolerance,
                rel_tolerance,
            } => tokens(Rule {
                case: Case::Sensitive,
                numbers: Some(Numbers {
                    abs_tolerance: Tolerance::new(abs_tolerance),
                    rel_tolerance: Tolerance::new(rel_tolerance),
                    not_finite: NotFinite::Numbers,
                }),
                space: Space::Any,
            }),
            Checker::Icpc {
                case_sensitive,
                space_change_sensitive,
                float_absolute_tolerance,
                float_relative_tolerance,
            } => tokens(Rule {
                case: case(case_sensitive),
                numbers: float_absolute_tolerance
                    .or(float_relative_tolerance)
                    .map(|_| Numbers {
                        // By a tolerance of zero, only what is equal anyway is equal.
                        abs_tolerance: Tolerance::new(float_absolute_tolerance.unwrap_or(0.0)),
                        rel_tolerance: Tolerance::new(float_relative_tolerance.unwrap_or(0.0)),
                        not_finite: NotFinite::Text,
                    }),
                space: if space_change_sensitive {
                    Space::Same
                } else {
                    Space::Any
                },
            }),
        })
    }

    /// Takes the next part of the output.
    pub fn feed(&mut self, chunk: &[u8]) {
        match &mut self.0 {
            Kind::Exact(exact) => exact.feed(chunk),
            Kind::Lines(lines) => lines.feed(chunk),
            Kind::Tokens(tokens) => tokens.feed(chunk),
            Kind::Unordered(unordered) => unordered.feed(chunk),
        }
    }

    /// The output is complete.
    pub fn finish(self) -> Check {
        let refusal = match self.0 {
            Kind::Exact(exact) => exact.finish(),
            Kind::Lines(lines) => lines.finish(),
            Kind::Tokens(tokens) => tokens.finish(),
            Kind::Unordered(unordered) => unordered.finish(),
        };
        refusal.map_or(Check::Accepted, |message| Check::Refused { message })
    }
}

fn case(sensitive: bool) -> Case {
    if sensitive { Case::Sensitive } else { Case::Any }
}

/// ASCII white space, `\v` included, which `u8::is_ascii_whitespace` leaves out.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

fn trim_end(bytes: &[u8]) -> &[u8] {
    let end = bytes
        .iter()
        .rposition(|byte| !is_space(*byte))
        .map_or(0, |last| last + 1);
    &bytes[..end]
}

fn common_prefix(a: &[u8], b: &[u8]) -> usize {
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

fn newlines(text: &[u8]) -> u64 {
    // What is short is counted before the other way has begun.
    const SHORT: usize = 16;
    if text.len() <= SHORT {
        text.iter().map(|byte| u64::from(*byte == b'\n')).sum()
    } else {
        memchr_iter(b'\n', text).count() as u64
    }
}

/// The blank lines at the beginning of a text: their length, and how many they are.
fn blank_lines(text: &[u8]) -> (usize, u64) {
    let space = text
        .iter()
        .position(|byte| !is_space(*byte))
        .unwrap_or(text.len());
    let len = memrchr(b'\n', &text[..space]).map_or(0, |newline| newline + 1);
    (len, newlines(&text[..len]))
}
