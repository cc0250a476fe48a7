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
mod text;
mod tokens;
mod unordered;

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
