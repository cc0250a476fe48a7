//! Numbers: exactly as they are written, whatever a machine's own numbers can hold.

use optimus_common::checker::Checker;
use proptest::prelude::*;

use optimus_testkit::checkers as reference;

use super::accepts;

const fn float(abs_tolerance: f64, rel_tolerance: f64) -> Checker {
    Checker::Float {
        abs_tolerance,
        rel_tolerance,
    }
}

fn icpc(float_absolute_tolerance: Option<f64>, float_relative_tolerance: Option<f64>) -> Checker {
    Checker::Icpc {
        case_sensitive: false,
        space_change_sensitive: false,
        float_absolute_tolerance,
        float_relative_tolerance,
    }
}

#[test]
fn numbers_are_equal_within_either_tolerance() {
    let by_abs = float(0.01, 0.0);
    let by_rel = float(0.0, 0.01);
    for (checker, expected, output, equal) in [
        (by_abs, "1.0", "1.0099", true),
        (by_abs, "1.0", "1.02", false),
        (by_abs, "0", "-0.005", true),
        (by_abs, "1e3", "1000", true),
        (by_abs, "+.5", "0.50", true),
        (by_abs, "1000", "1000.5", false),
        (by_rel, "1000", "1009", true),
        (by_rel, "1000", "1011", false),
        (by_rel, "-1000", "-1009", true),
        (by_rel, "0", "1e-300", false),
        (by_rel, "0", "-0.0", true),
        (float(0.0, 0.0), "0.5", "5e-1", true),
    ] {
        assert_eq!(
            accepts(checker, expected.as_bytes(), output.as_bytes()),
            equal,
            "{expected} {output}"
        );
    }
}

#[test]
fn nan_never_equals_and_an_infinity_only_itself() {
    let checker = float(1e300, 1e300);
    for nan in ["nan", "NaN", "-nan", "+NAN"] {
        for other in [nan, "1", "inf"] {
            assert!(
                !accepts(checker, nan.as_bytes(), other.as_bytes()),
                "{nan} {other}"
            );
            assert!(
                !accepts(checker, other.as_bytes(), nan.as_bytes()),
                "{nan} {other}"
            );
        }
    }
    assert!(accepts(checker, b"inf", b"+Infinity"));
    assert!(!accepts(checker, b"inf", b"-inf"));
    for finite in ["1e308", "1e999", "1e999999999999999999"] {
        assert!(!accepts(checker, b"inf", finite.as_bytes()), "{finite}");
        assert!(!accepts(checker, finite.as_bytes(), b"inf"), "{finite}");
    }
}

#[test]
fn what_is_no_decimal_number_is_compared_as_text() {
    let checker = float(1e6, 1.0);
    assert!(accepts(checker, b"YES 1", b"YES 1.5"));
    assert!(!accepts(checker, b"YES 1", b"yes 1"));
    assert!(!accepts(checker, b"0x10", b"16"));
    assert!(accepts(checker, b"0x10", b"0x10"));
    assert!(!accepts(checker, b"1_000", b"1000"));
    assert!(!accepts(checker, b"1", b"one"));
    assert!(accepts(
        checker,
        b"1e9999999999999999999",
        b"1e9999999999999999999"
    ));
    assert!(!accepts(
        checker,
        b"1e9999999999999999999",
        b"1e09999999999999999999"
    ));
    let long = "1".repeat((1 << 20) + 1);
    assert!(accepts(checker, long.as_bytes(), long.as_bytes()));
    assert!(!accepts(checker, long.as_bytes(), format!("{long}1").as_bytes()));
}

#[test]
fn integers_beyond_a_double_differ_by_their_digits_only_where_the_tolerance_is_smaller() {
    let exact = float(0.0, 0.0);
    assert!(accepts(exact, b"9007199254740993", b"9007199254740993"));
    assert!(!accepts(exact, b"9007199254740993", b"9007199254740995"));
}

#[test]
fn numbers_beyond_a_double_are_as_different_as_they_are_written() {
    let zeros = "0".repeat(400);
    let (one, two) = (format!("1{zeros}"), format!("2{zeros}"));
    let tiny = format!("0.{zeros}1");
    let checkers = [
        float(1e-6, 1e-6),
        icpc(Some(1e-6), Some(1e-6)),
        float(0.0, 1e-6),
        icpc(None, Some(1e-6)),
    ];
    for checker in checkers {
        for (expected, output, equal) in [
            ("1e999", "1e400", false),
            (two.as_str(), one.as_str(), false),
            (one.as_str(), one.as_str(), true),
            (one.as_str(), "1e400", true),
            ("1e400", one.as_str(), true),
            ("inf", "1e400", false),
            ("-7e700", "-1e500", false),
            (one.as_str(), "1.000001e400", true),
            (one.as_str(), "1.0000010000000000000000000000001e400", false),
            ("-1e-999", "-1.0000005e-999", true),
            ("1e999999999999", "1e999999999998", false),
        ] {
            assert_eq!(
                accepts(checker, expected.as_bytes(), output.as_bytes()),
                equal,
                "{checker:?} {expected} {output}"
            );
        }
        // By the absolute tolerance alone.
        let absolute = matches!(checker, Checker::Float { abs_tolerance, .. } if abs_tolerance > 0.0)
            || matches!(
                checker,
                Checker::Icpc {
                    float_absolute_tolerance: Some(_),
                    ..
                }
            );
        assert_eq!(accepts(checker, b"0", tiny.as_bytes()), absolute, "{checker:?}");
    }
}

#[test]
fn what_is_exactly_at_the_tolerance_is_within_it() {
    for checker in [float(0.01, 0.0), icpc(Some(0.01), None)] {
        for (expected, output, equal) in [
            ("1.10", "1.11", true),
            ("0.71", "0.70", true),
            ("100.00", "100.01", true),
            ("0.29", "0.28", true),
            ("-0.005", "0.005", true),
            ("1.10", "1.1101", false),
            ("1.10", "1.11000000000000000000000000000000001", false),
            ("12345678901234567890.00", "12345678901234567890.01", true),
            ("12345678901234567890.00", "12345678901234567890.02", false),
        ] {
            assert_eq!(
                accepts(checker, expected.as_bytes(), output.as_bytes()),
                equal,
                "{checker:?} {expected} {output}"
            );
        }
    }
    for checker in [float(0.0, 0.1), icpc(None, Some(0.1))] {
        for (expected, output, equal) in [
            ("3", "3.3", true),
            ("0.7", "0.77", true),
            ("-0.7", "-0.63", true),
            ("0.7", "0.7700001", false),
            ("1e-30", "1.1e-30", true),
        ] {
            assert_eq!(
                accepts(checker, expected.as_bytes(), output.as_bytes()),
                equal,
                "{checker:?} {expected} {output}"
            );
        }
    }
}

#[test]
fn digits_that_change_nothing_change_nothing_however_many_they_are() {
    let many = |digit: &str| digit.repeat(100_000);
    let (zeros, nines) = (many("0"), many("9"));
    for sign in ["", "-"] {
        for (expected, output, equal) in [
            ("1", format!("{zeros}1"), true),
            ("1", format!("{zeros}1.{zeros}"), true),
            ("1", format!("1.000001{zeros}"), true),
            ("1", format!("1.000001{zeros}1"), false),
            ("1", format!("1.000000{nines}"), true),
            ("1", format!("1.000001{nines}"), false),
            ("1", format!("0.999999{zeros}1"), true),
            ("1", format!("0.999998{nines}"), false),
            ("1", format!("0.{nines}"), true),
            ("0", format!("0.{zeros}1"), true),
            ("0", zeros.clone(), true),
            ("0", format!(".{zeros}"), true),
            ("0", format!(".{zeros}e"), false),
        ] {
            let (expected, output) = (format!("{sign}{expected}"), format!("{sign}{output}"));
            assert_eq!(
                accepts(float(1e-6, 0.0), expected.as_bytes(), output.as_bytes()),
                equal,
                "{expected} {}…{}",
                &output[..12],
                &output[output.len() - 3..]
            );
        }
    }
}

/// A number of few digits, as one may write it, with room for zeros and for places that no double has.
fn number() -> impl Strategy<Value = String> {
    let digits = prop_oneof![4 => "[0-9]{1,6}", 1 => "[0-9]{15,45}", 1 => "(0|10)0{0,30}"];
    let exponent = prop_oneof![
        3 => Just(String::new()),
        2 => (-12..12_i32).prop_map(|exponent| format!("e{exponent}")),
        1 => (-800..800_i32).prop_map(|exponent| format!("E{exponent:+}")),
    ];
    ("[+-]?", digits, 0..8_usize, exponent).prop_map(|(sign, mut digits, point, exponent)| {
        if point < 7 {
            digits.insert(point.min(digits.len()), '.');
        }
        format!("{sign}{digits}{exponent}")
    })
}

/// A number and one that is near it: another last digit, another exponent, or the same written otherwise.
fn near() -> impl Strategy<Value = (String, String)> {
    (number(), number(), 0..5_u8, 0..10_u8).prop_map(|(number, other, kind, digit)| {
        let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((&number, "0"));
        let near = match kind {
            0 => other,
            1 if mantissa.contains('.') => format!("{mantissa}{digit}e{exponent}"),
            1 => format!("{mantissa}.{digit}e{exponent}"),
            2 => format!("{}{digit}e{exponent}", &mantissa[..mantissa.len() - 1]),
            3 => format!(
                "{mantissa}e{}",
                exponent.parse::<i32>().map_or(1, |exponent| exponent + 1)
            ),
            _ => format!("{mantissa}e{exponent}"),
        };
        (number, near)
    })
}

fn tolerance() -> impl Strategy<Value = f64> {
    prop_oneof![
        Just(0.0),
        Just(0.01),
        Just(f64::MAX),
        Just(f64::MIN_POSITIVE),
        (0..20_i32).prop_map(|places| 10_f64.powi(-places)),
        (1..1000_u32, 0..9_i32).prop_map(|(digits, places)| f64::from(digits) * 10_f64.powi(-places)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(4000) })]

    #[test]
    fn numbers_are_compared_as_fractions_are((expected, output) in near(), abs in tolerance(), rel in tolerance()) {
        prop_assert!(reference::can_tell(expected.as_bytes()) && reference::can_tell(output.as_bytes()));
        for checker in [float(abs, rel), icpc(Some(abs), None), icpc(None, Some(rel))] {
            prop_assert_eq!(
                accepts(checker, expected.as_bytes(), output.as_bytes()),
                reference::accepts(checker, expected.as_bytes(), output.as_bytes()),
                "{:?}", checker
            );
        }
    }
}
