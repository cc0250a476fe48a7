//! What each checker promises, in the shortest words. The fuzz targets use it too.

use optimus_common::checker::Checker;

pub(crate) fn accepts(checker: Checker, expected: &[u8], output: &[u8]) -> bool {
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
                        (Some(e), Some(o)) => {
                            abs.is_some_and(|abs| (e - o).abs() <= abs)
                                || rel.is_some_and(|rel| (e - o).abs() <= rel * e.abs())
                        }
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

/// What the format's grammar takes: digits with a point and an exponent, and nothing else.
fn finite(token: &[u8]) -> Option<f64> {
    let plain = token.iter().all(|byte| b"+-.eE0123456789".contains(byte));
    str::from_utf8(token)
        .ok()
        .filter(|_| plain)?
        .parse::<f64>()
        .ok()
        .filter(|value| value.is_finite())
}

fn equal(expected: &[u8], output: &[u8], abs_tolerance: f64, rel_tolerance: f64) -> bool {
    let number = |token: &[u8]| str::from_utf8(token).ok()?.parse::<f64>().ok();
    match (number(expected), number(output)) {
        (Some(e), Some(o)) if e.is_nan() || o.is_nan() => false,
        (Some(e), Some(o)) if e.is_infinite() || o.is_infinite() => {
            e.is_infinite() && o.is_infinite() && e.signum().total_cmp(&o.signum()).is_eq()
        }
        (Some(e), Some(o)) => (e - o).abs() <= abs_tolerance || (e - o).abs() <= rel_tolerance * e.abs(),
        _ => expected == output,
    }
}
