//! The checkers, with any expected and any actual output in any chunks.

use optimus_common::checker::Checker;
use optimus_judge::compare::{Check, Comparison};
use optimus_testkit::checkers as reference;

use crate::{
    memory::bounded,
    pieces::{Cuts, choices, halves},
};

/// What a comparison keeps, however long the output: a token of it that may be a number, excerpts, hashes.
const MEMORY: usize = 64 << 10;

/// The reference is slow.
const LONGEST_FOR_REFERENCE: usize = 4 << 10;

/// Longest text a checker tells an author: the place and an excerpt, of which a byte takes up to ten when escaped.
const LONGEST_MESSAGE: usize = 1000;

const TOLERANCES: [f64; 8] = [0.0, 1e-9, 1e-6, 1e-3, 0.5, 1.0, 1e9, f64::MAX];

pub fn checkers(input: &[u8]) {
    let ([kind, tolerance, cuts], rest) = choices::<3>(input);
    let checker = checker(kind, tolerance);
    let (expected, output) = halves(rest);

    let whole = bounded(MEMORY, || check(checker, expected, std::iter::once(output)));
    let in_parts = bounded(MEMORY, || {
        check(checker, expected, Cuts::new(cuts).chunks(output))
    });
    assert_eq!(whole, in_parts, "{checker:?}: the answer depends on chunks");
    let accepted = whole == Check::Accepted;
    if let Check::Refused { message } = &whole {
        assert!(message.len() <= LONGEST_MESSAGE, "{message:?}");
        assert!(!message.chars().any(char::is_control), "{message:?}");
    }
    if rest.len() <= LONGEST_FOR_REFERENCE && reference::can_tell(expected) && reference::can_tell(output) {
        assert_eq!(
            accepted,
            reference::accepts(checker, expected, output),
            "{checker:?} differs from its definition"
        );
    }
    if is_symmetric(checker) {
        let other_way = check(checker, output, std::iter::once(expected)) == Check::Accepted;
        assert_eq!(accepted, other_way, "{checker:?} is not symmetric");
    }
    // NaN never equals anything.
    if !matches!(checker, Checker::Float { .. }) {
        assert_eq!(
            check(checker, output, Cuts::new(cuts).chunks(output)),
            Check::Accepted
        );
    }
}

/// Digits and letters choose, so that seeds can be read.
fn checker(kind: u8, tolerance: u8) -> Checker {
    let abs_tolerance = TOLERANCES[usize::from(tolerance & 7)];
    let rel_tolerance = TOLERANCES[usize::from(tolerance >> 3 & 7)];
    let icpc = |float_absolute_tolerance, float_relative_tolerance| Checker::Icpc {
        case_sensitive: tolerance & 64 != 0,
        space_change_sensitive: tolerance & 128 != 0,
        float_absolute_tolerance,
        float_relative_tolerance,
    };
    match kind % 10 {
        0 => Checker::Exact,
        1 => Checker::Lines,
        2 => Checker::UnorderedLines,
        3 => Checker::Tokens { case_sensitive: true },
        4 => Checker::Tokens {
            case_sensitive: false,
        },
        5 => Checker::Float {
            abs_tolerance,
            rel_tolerance,
        },
        6 => icpc(None, None),
        7 => icpc(Some(abs_tolerance), None),
        8 => icpc(None, Some(rel_tolerance)),
        _ => icpc(Some(abs_tolerance), Some(rel_tolerance)),
    }
}

/// A relative tolerance is one of the expected number.
fn is_symmetric(checker: Checker) -> bool {
    match checker {
        Checker::Float { rel_tolerance, .. } => rel_tolerance == 0.0,
        Checker::Icpc {
            float_relative_tolerance,
            ..
        } => float_relative_tolerance.is_none_or(|tolerance| tolerance == 0.0),
        _ => true,
    }
}

fn check<'a>(checker: Checker, expected: &[u8], chunks: impl Iterator<Item = &'a [u8]>) -> Check {
    let mut comparison = Comparison::new(&checker, expected);
    for chunk in chunks {
        comparison.feed(chunk);
    }
    comparison.finish()
}
