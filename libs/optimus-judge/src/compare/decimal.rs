//! Decimal numbers as they are written, compared exactly.
//!
//! Nothing is rounded and no power of ten is ever made: sums are looked at digit by digit from the largest place on,
//! and a gap between two numbers' digits is stepped over, so that the work grows with the length of what was written and
//! not with its exponents.

/// More digits than that in an exponent make no number.
const LONGEST_EXPONENT: usize = 18;

/// What a token says, where it is a number.
#[derive(Debug, Clone, Copy)]
pub(super) enum Number<'t> {
    Finite(Decimal<'t>),
    Infinite {
        negative: bool,
    },
    /// NaN.
    Undefined,
}

/// `±whole.fraction × 10^exponent`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Decimal<'t> {
    negative: bool,
    /// ASCII digits, without zeros at the outer ends.
    whole: &'t [u8],
    fraction: &'t [u8],
    exponent: i64,
}

/// A tolerance as it was written: `mantissa × 10^exponent`.
///
/// It travels as a double. The shortest decimal number that a double stands for is the one that somebody wrote, as long
/// as it has no more than 15 digits: 0.01 is a hundredth, and not the binary fraction beside it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tolerance {
    mantissa: u64,
    exponent: i64,
}

impl<'t> Number<'t> {
    /// Digits with or without a point, a sign and an exponent; `inf`, `infinity` and `nan` in any case, signed or not.
    pub(super) fn parse(token: &'t [u8]) -> Option<Self> {
        let (negative, rest) = split_sign(token);
        match rest {
            [b'0'..=b'9' | b'.', ..] => Decimal::parse(negative, rest).map(Self::Finite),
            _ if is_any_of(rest, &["inf", "infinity"]) => Some(Self::Infinite { negative }),
            _ if is_any_of(rest, &["nan"]) => Some(Self::Undefined),
            _ => None,
        }
    }
}

fn is_any_of(token: &[u8], words: &[&str]) -> bool {
    words
        .iter()
        .any(|word| token.eq_ignore_ascii_case(word.as_bytes()))
}

impl<'t> Decimal<'t> {
    fn parse(negative: bool, rest: &'t [u8]) -> Option<Self> {
        let (whole, rest) = split_digits(rest);
        let (fraction, rest) = match rest {
            [b'.', rest @ ..] => split_digits(rest),
            rest => (&rest[..0], rest),
        };
        let exponent = match rest {
            [] => 0,
            [b'e' | b'E', rest @ ..] => exponent(rest)?,
            _ => return None,
        };
        // Zeros before and behind say nothing, and there may be very many.
        (!whole.is_empty() || !fraction.is_empty()).then_some(Self {
            negative,
            whole: &whole[run(whole.iter(), b'0')..],
            fraction: &fraction[..fraction.len() - run(fraction.iter().rev(), b'0')],
            exponent,
        })
    }

    /// The place of its first digit, as a power of ten.
    fn top(&self) -> i64 {
        self.exponent + length(self.whole) - 1
    }

    /// The place of its last digit.
    fn bottom(&self) -> i64 {
        self.exponent - length(self.fraction)
    }

    fn digit(&self, place: i64) -> i128 {
        let Ok(at) = usize::try_from(self.top() - place) else {
            return 0;
        };
        let digit = match self.whole.get(at) {
            Some(digit) => Some(digit),
            None => self.fraction.get(at - self.whole.len()),
        };
        digit.map_or(0, |digit| i128::from(digit - b'0'))
    }

    /// All digits as one number, where it has few of them.
    fn mantissa(&self) -> Option<i128> {
        const MOST_DIGITS: usize = 18;
        if self.whole.len() + self.fraction.len() > MOST_DIGITS {
            return None;
        }
        let digits = self.whole.iter().chain(self.fraction);
        let mantissa = digits.fold(0, |all, digit| all * 10 + i128::from(digit - b'0'));
        Some(if self.negative { -mantissa } else { mantissa })
    }
}

/// Whether there is a minus, and what follows the sign.
fn split_sign(text: &[u8]) -> (bool, &[u8]) {
    match text {
        [sign @ (b'+' | b'-'), rest @ ..] => (*sign == b'-', rest),
        _ => (false, text),
    }
}

fn split_digits(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| !byte.is_ascii_digit());
    text.split_at(end.unwrap_or(text.len()))
}

fn exponent(text: &[u8]) -> Option<i64> {
    let (negative, text) = split_sign(text);
    let (digits, rest) = split_digits(text);
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    if digits.is_empty() || !rest.is_empty() || digits.len() - zeros > LONGEST_EXPONENT {
        return None;
    }
    let value = digits[zeros..]
        .iter()
        .fold(0, |all, digit| all * 10 + i64::from(digit - b'0'));
    Some(if negative { -value } else { value })
}

/// How many digits at the beginning are this one.
fn run<'d>(digits: impl ExactSizeIterator<Item = &'d u8>, digit: u8) -> usize {
    let mut digits = digits;
    let all = digits.len();
    digits.position(|other| *other != digit).unwrap_or(all)
}

fn length(digits: &[u8]) -> i64 {
    // A slice is never longer.
    i64::try_from(digits.len()).unwrap_or(i64::MAX)
}

impl Tolerance {
    /// Of a finite number, 0 or more.
    pub(super) fn new(value: f64) -> Self {
        let written = format!("{value:e}");
        let (mantissa, exponent) = written.split_once('e').unwrap_or((&written, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = format!("{whole}{fraction}");
        Self {
            mantissa: digits.parse().unwrap_or(0),
            exponent: exponent.parse::<i64>().unwrap_or(0) - length(fraction.as_bytes()),
        }
    }
}

/// Whether `|got - expected| <= tolerance`.
pub(super) fn within(got: &Decimal<'_>, expected: &Decimal<'_>, tolerance: Tolerance) -> bool {
    let one = Decimal {
        negative: false,
        whole: b"1",
        fraction: b"",
        exponent: 0,
    };
    near(got, expected, tolerance, &one)
}

/// Whether `|got - expected| <= tolerance × |expected|`.
pub(super) fn relatively_within(got: &Decimal<'_>, expected: &Decimal<'_>, tolerance: Tolerance) -> bool {
    near(got, expected, tolerance, expected)
}

/// Whether `|got - expected| <= tolerance × |unit|`.
fn near(got: &Decimal<'_>, expected: &Decimal<'_>, tolerance: Tolerance, unit: &Decimal<'_>) -> bool {
    near_if_short(got, expected, tolerance, unit).unwrap_or_else(|| {
        let allowed = Term {
            factor: -i128::from(tolerance.mantissa),
            shift: tolerance.exponent,
            of: unit,
        };
        // Neither `got - expected` nor `expected - got` is more than what is allowed.
        [1, -1].into_iter().all(|direction| {
            let got = Term::of(got, direction);
            let expected = Term::of(expected, -direction);
            !is_positive(&[got, expected, allowed])
        })
    })
}

/// The same in machine numbers; `None` where something does not fit them.
fn near_if_short(
    got: &Decimal<'_>,
    expected: &Decimal<'_>,
    tolerance: Tolerance,
    unit: &Decimal<'_>,
) -> Option<bool> {
    let bottom = got.bottom().min(expected.bottom());
    let got = scaled(got.mantissa()?, got.bottom() - bottom)?;
    let expected = scaled(expected.mantissa()?, expected.bottom() - bottom)?;
    let difference = got.checked_sub(expected)?.checked_abs()?;
    let allowed = unit
        .mantissa()?
        .checked_abs()?
        .checked_mul(tolerance.mantissa.into())?;
    let allowed_bottom = unit.bottom() + tolerance.exponent;
    let common = bottom.min(allowed_bottom);
    Some(scaled(difference, bottom - common)? <= scaled(allowed, allowed_bottom - common)?)
}

fn scaled(number: i128, places: i64) -> Option<i128> {
    let places = u32::try_from(places).ok()?;
    number.checked_mul(10_i128.checked_pow(places)?)
}

/// `factor × 10^shift × |of|`.
#[derive(Debug, Clone, Copy)]
struct Term<'t> {
    factor: i128,
    shift: i64,
    of: &'t Decimal<'t>,
}

impl<'t> Term<'t> {
    /// `direction × of`, where the direction is 1 or -1.
    fn of(of: &'t Decimal<'t>, direction: i128) -> Self {
        Self {
            factor: if of.negative { -direction } else { direction },
            shift: 0,
            of,
        }
    }

    fn top(&self) -> i64 {
        self.of.top() + self.shift
    }

    fn bottom(&self) -> i64 {
        self.of.bottom() + self.shift
    }

    /// How many of its digits from this place on are this one: at least so many as stand on the same side of the point.
    fn run(&self, digit: u8, place: i64) -> i64 {
        let Decimal { whole, fraction, .. } = self.of;
        let Ok(at) = usize::try_from(self.top() - place) else {
            return 0;
        };
        let digits = match whole.get(at..) {
            Some(digits @ [_, ..]) => Some(digits),
            _ => fraction.get(at - whole.len()..),
        };
        let run = run(digits.unwrap_or_default().iter(), digit);
        i64::try_from(run).unwrap_or(i64::MAX)
    }
}

/// Whether the sum of the terms is above zero.
///
/// `sum` is the sum of all digits so far, in units of the current place. All places below it together are worth less
/// than `bound` such units, so that a larger sum keeps its sign.
fn is_positive(terms: &[Term<'_>]) -> bool {
    let bound: i128 = terms.iter().map(|term| term.factor.abs()).sum();
    let Some(mut place) = terms.iter().map(Term::top).max() else {
        return false;
    };
    let mut sum: i128 = 0;
    loop {
        let digits = terms
            .iter()
            .map(|term| term.factor * term.of.digit(place - term.shift));
        sum = sum * 10 + digits.sum::<i128>();
        if sum.abs() >= bound {
            return sum > 0;
        }
        // The last term's digits that leave the sum as it is are stepped over: nothing else takes many of them.
        let mut left = terms.iter().filter(|term| term.bottom() < place);
        if let (Some(last), None) = (left.next(), left.next()) {
            if sum == 0 {
                place -= last.run(b'0', place - 1);
            } else if sum == -last.factor && sum.abs() == 1 {
                place -= last.run(b'9', place - 1);
            }
        }
        // The next place at which there is a digit; the sum grows by itself on the way, unless it is zero.
        let next = terms
            .iter()
            .filter(|term| term.bottom() < place)
            .map(|term| term.top().min(place - 1))
            .max();
        match next {
            None => return sum > 0,
            Some(next) if sum == 0 => place = next,
            Some(_) => place -= 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal<'_> {
        match Number::parse(text.as_bytes()) {
            Some(Number::Finite(decimal)) => decimal,
            other => panic!("{text} is {other:?}"),
        }
    }

    #[test]
    fn a_tolerance_is_what_was_written() {
        for (written, mantissa, exponent) in [
            ("0.01", 1, -2),
            ("1e-6", 1, -6),
            ("1.25", 125, -2),
            ("1e300", 1, 300),
            ("5e-324", 5, -324),
            ("0", 0, 0),
            ("123456789.123", 123_456_789_123, -3),
        ] {
            let tolerance = Tolerance::new(written.parse().unwrap());
            assert_eq!(
                (tolerance.mantissa, tolerance.exponent),
                (mantissa, exponent),
                "{written}"
            );
        }
        assert_eq!(Tolerance::new(f64::MAX).mantissa, 17_976_931_348_623_157);
    }

    #[test]
    fn what_is_a_number_is_a_matter_of_its_letters() {
        for finite in [
            "0",
            "+1",
            "-1",
            "1.",
            ".5",
            "-.5e-3",
            "1e5",
            "1E+05",
            "007",
            "1.e2",
            "1e999999999999999999",
        ] {
            assert!(
                matches!(Number::parse(finite.as_bytes()), Some(Number::Finite(_))),
                "{finite}"
            );
        }
        for infinite in ["inf", "+Infinity", "-INF"] {
            assert!(
                matches!(Number::parse(infinite.as_bytes()), Some(Number::Infinite { .. })),
                "{infinite}"
            );
        }
        for nan in ["nan", "-NaN", "+nan"] {
            assert!(
                matches!(Number::parse(nan.as_bytes()), Some(Number::Undefined)),
                "{nan}"
            );
        }
        for text in [
            "",
            "+",
            ".",
            "-.",
            "e5",
            ".e5",
            "1e",
            "1e+",
            "1e5.0",
            "0x10",
            "1_000",
            "1,5",
            "--1",
            "1 ",
            "١",
            "infinit",
            "nanx",
            "1e1000000000000000000",
        ] {
            assert!(Number::parse(text.as_bytes()).is_none(), "{text}");
        }
    }

    #[test]
    fn exponents_cost_nothing_and_are_never_lost() {
        let large = decimal("1e999999999999999999");
        let half = Tolerance::new(0.5);
        for (got, near) in [
            ("1e-999999999999999999", false),
            ("1e999999999999999998", false),
            ("2e999999999999999999", false),
            ("1.5e999999999999999999", true),
            ("1.50000000000000000000000000000001e999999999999999999", false),
            ("10e999999999999999998", true),
            ("-1e999999999999999999", false),
        ] {
            assert_eq!(relatively_within(&decimal(got), &large, half), near, "{got}");
            assert!(
                !within(&decimal(got), &decimal("1e999999999999999997"), half),
                "{got}"
            );
        }
        assert!(within(
            &decimal("1e-999999999999999999"),
            &decimal("-1e-999999999999999998"),
            half
        ));
        assert!(within(
            &decimal("0e999999999999999999"),
            &decimal("0"),
            Tolerance::new(0.0)
        ));
        assert!(!within(&decimal("0.5"), &decimal("-1e-999999999999999999"), half));
        assert!(within(&decimal("0.5"), &decimal("1e-999999999999999999"), half));
    }

    #[test]
    fn long_numbers_are_compared_in_every_digit() {
        let zeros = "0".repeat(300_000);
        let exact = Tolerance::new(0.0);
        let (one, other) = (format!("1{zeros}1"), format!("1{zeros}2"));
        assert!(!within(&decimal(&one), &decimal(&other), exact));
        assert!(within(&decimal(&one), &decimal(&other), Tolerance::new(1.0)));
        assert!(within(
            &decimal(&format!("1{zeros}")),
            &decimal("1e300000"),
            exact
        ));
        assert!(within(
            &decimal(&format!("{zeros}.{zeros}1")),
            &decimal("1e-300001"),
            exact
        ));
    }
}
