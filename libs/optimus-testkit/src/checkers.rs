//! What each checker promises, in the shortest words.

use num_bigint::BigInt;
use optimus_common::checker::Checker;

pub fn accepts(checker: Checker, expected: &[u8], output: &[u8]) -> bool {
    match checker {
        Checker::Exact => expected == output,
        Checker::Lines => lines(expected) == lines(output),
        Checker::UnorderedLines => {
            let (mut expected, mut output) = (lines(expected), lines(output));
            expected.sort_unstable();
            output.sort_unstable();
            expected == output
        }
        Checker::Tokens { case_sensitive: true } => tokens(expected) == tokens(output),
        Checker::Tokens {
            case_sensitive: false,
        } => tokens(&expected.to_ascii_lowercase()) == tokens(&output.to_ascii_lowercase()),
        Checker::Float {
            abs_tolerance,
            rel_tolerance,
        } => {
            let (expected, output) = (tokens(expected), tokens(output));
            expected.len() == output.len()
                && expected
                    .iter()
                    .zip(output)
                    .all(|(e, o)| equal(e, o, abs_tolerance, rel_tolerance))
        }
        Checker::Icpc {
            case_sensitive,
            space_change_sensitive,
            float_absolute_tolerance,
            float_relative_tolerance,
        } => {
            if space_change_sensitive && spaces(expected) != spaces(output) {
                return false;
            }
            let (expected, output) = (tokens(expected), tokens(output));
            let text = |e: &[u8], o: &[u8]| {
                if case_sensitive {
                    e == o
                } else {
                    e.eq_ignore_ascii_case(o)
                }
            };
            let tolerances = (float_absolute_tolerance, float_relative_tolerance);
            expected.len() == output.len()
                && expected.iter().zip(output).all(|(e, o)| match tolerances {
                    (None, None) => text(e, o),
                    (abs, rel) => match (finite(e), finite(o)) {
                        // By a tolerance of zero, only what is equal is near.
                        (Some(e), Some(o)) => near(&e, &o, abs.unwrap_or(0.0), rel.unwrap_or(0.0)),
                        (Some(_), None) => false,
                        (None, _) => text(e, o),
                    },
                })
        }
    }
}

fn is_space(byte: u8) -> bool {
    b" \t\n\x0B\x0C\r".contains(&byte)
}

fn lines(text: &[u8]) -> Vec<&[u8]> {
    let mut lines: Vec<_> = text.split(|byte| *byte == b'\n').collect();
    for line in &mut lines {
        while line.last().is_some_and(|byte| is_space(*byte)) {
            *line = &line[..line.len() - 1];
        }
    }
    while lines.last().is_some_and(|line| line.is_empty()) {
        lines.pop();
    }
    lines
}

fn tokens(text: &[u8]) -> Vec<&[u8]> {
    text.split(|byte| is_space(*byte))
        .filter(|token| !token.is_empty())
        .collect()
}

/// The white space before each token and after the last.
fn spaces(text: &[u8]) -> Vec<&[u8]> {
    let mut spaces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (space, after) = rest.split_at(
            rest.iter()
                .position(|byte| !is_space(*byte))
                .unwrap_or(rest.len()),
        );
        spaces.push(space);
        let token = after
            .iter()
            .position(|byte| is_space(*byte))
            .unwrap_or(after.len());
        rest = &after[token..];
    }
    spaces
}

/// Whether the powers of ten in a text are small enough to be made.
pub fn can_tell(text: &[u8]) -> bool {
    const LARGEST: i64 = 2000;
    tokens(text)
        .into_iter()
        .filter_map(split)
        .all(|(_, _, exponent)| exponent.abs() <= LARGEST)
}

/// A decimal number's sign, its digits with or without a point, and its exponent.
fn split(token: &[u8]) -> Option<(bool, &str, i64)> {
    let text = str::from_utf8(token).ok()?;
    // What the standard library takes for a number, of which only the words are none here.
    text.parse::<f64>().ok()?;
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if unsigned.starts_with(|first: char| first.is_ascii_alphabetic()) {
        return None;
    }
    let (digits, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let exponent = exponent
        .parse()
        .ok()
        .filter(|exponent: &i64| exponent.abs() < 10_i64.pow(18))?;
    Some((text.starts_with('-'), digits, exponent))
}

/// `mantissa × 10^exponent`.
struct Number {
    mantissa: BigInt,
    exponent: i64,
}

impl Number {
    /// In units of a smaller power of ten.
    fn in_units_of(&self, exponent: i64) -> BigInt {
        &self.mantissa * BigInt::from(10).pow(u32::try_from(self.exponent - exponent).expect("a smaller one"))
    }
}

/// What the format's grammar takes: digits with a point and an exponent, and nothing else.
fn finite(token: &[u8]) -> Option<Number> {
    let (negative, digits, exponent) = split(token)?;
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let mantissa: BigInt = format!("{whole}{fraction}").parse().expect("digits");
    Some(Number {
        mantissa: if negative { -mantissa } else { mantissa },
        exponent: exponent - i64::try_from(fraction.len()).expect("a short text"),
    })
}

fn near(expected: &Number, output: &Number, abs: f64, rel: f64) -> bool {
    let exponent = expected.exponent.min(output.exponent);
    let (expected, output) = (expected.in_units_of(exponent), output.in_units_of(exponent));
    let distance = Number {
        mantissa: magnitude(&(&expected - output)),
        exponent,
    };
    let at_most = |tolerance: Number| {
        let exponent = exponent.min(tolerance.exponent);
        distance.in_units_of(exponent) <= tolerance.in_units_of(exponent)
    };
    // A tolerance as somebody wrote it: the shortest number that is read as this double.
    let [absolute, mut relative] =
        [abs, rel].map(|value| finite(format!("{value:e}").as_bytes()).expect("it is finite"));
    relative.mantissa *= magnitude(&expected);
    relative.exponent += exponent;
    at_most(absolute) || at_most(relative)
}

fn magnitude(value: &BigInt) -> BigInt {
    value.magnitude().clone().into()
}

fn equal(expected: &[u8], output: &[u8], abs_tolerance: f64, rel_tolerance: f64) -> bool {
    // Of what is no finite number, the standard library knows what it is.
    let word = |token: &[u8]| match split(token) {
        Some(_) => None,
        None => str::from_utf8(token).ok()?.parse::<f64>().ok(),
    };
    match (finite(expected), finite(output)) {
        (Some(e), Some(o)) => near(&e, &o, abs_tolerance, rel_tolerance),
        (None, None) => match (word(expected), word(output)) {
            (Some(e), _) | (_, Some(e)) if e.is_nan() => false,
            (Some(e), Some(o)) => e.signum().total_cmp(&o.signum()).is_eq(),
            _ => expected == output,
        },
        _ => false,
    }
}
