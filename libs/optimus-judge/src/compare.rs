//! The checkers, comparing while the output arrives.
//!
//! Each holds a bounded amount of state, whatever a program writes: an output of one line of a gigabyte costs no
//! more memory than an empty one. How the output is cut into chunks never matters. A byte order mark is three bytes
//! like any others.
//!
//! What a checker says of a wrong answer is for the program's author: where the output differs, and what the program
//! itself wrote there. It never shows what was expected.

mod difference;
mod exact;
mod lines;
mod tokens;
mod unordered;

use optimus_common::checker::Checker;

use self::{
    exact::Exact,
    lines::Lines,
    tokens::{Rule, Tokens},
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
        Self(match *checker {
            Checker::Exact => Kind::Exact(Exact::new(expected)),
            Checker::Lines => Kind::Lines(Lines::new(expected)),
            Checker::Tokens { case_sensitive: true } => Kind::Tokens(Tokens::new(expected, Rule::Text)),
            Checker::Tokens {
                case_sensitive: false,
            } => Kind::Tokens(Tokens::new(expected, Rule::AnyCase)),
            Checker::Float {
                abs_tolerance,
                rel_tolerance,
            } => Kind::Tokens(Tokens::new(
                expected,
                Rule::Number {
                    abs_tolerance,
                    rel_tolerance,
                },
            )),
            Checker::UnorderedLines => Kind::Unordered(Unordered::new(expected)),
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
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}
