//! The checkers against slow, obvious implementations of what they promise, and their answers to the cases that
//! judges have got wrong before.

mod numbers;

use optimus_common::checker::Checker;
use optimus_judge::compare::{Check, Comparison};
use optimus_testkit::checkers as reference;
use proptest::prelude::*;

const ALL: [Checker; 9] = [
    Checker::Lines,
    Checker::Exact,
    Checker::Tokens { case_sensitive: true },
    Checker::Tokens {
        case_sensitive: false,
    },
    Checker::Float {
        abs_tolerance: 1e-3,
        rel_tolerance: 1e-6,
    },
    Checker::UnorderedLines,
    icpc(Words::AnyCase, Space::Any, None),
    icpc(Words::AnyCase, Space::Same, Some(1e-3)),
    icpc(Words::Sensitive, Space::Any, Some(1e-3)),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Words {
    AnyCase,
    Sensitive,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Space {
    Any,
    Same,
}

const fn icpc(words: Words, space: Space, tolerance: Option<f64>) -> Checker {
    Checker::Icpc {
        case_sensitive: matches!(words, Words::Sensitive),
        space_change_sensitive: matches!(space, Space::Same),
        float_absolute_tolerance: tolerance,
        float_relative_tolerance: tolerance,
    }
}

/// Whether a checker tells other white space at an output's end apart.
fn sees_the_last_newline(checker: Checker) -> bool {
    match checker {
        Checker::Exact => true,
        Checker::Icpc {
            space_change_sensitive,
            ..
        } => space_change_sensitive,
        _ => false,
    }
}

fn reads_numbers(checker: Checker) -> bool {
    match checker {
        Checker::Float { .. } => true,
        Checker::Icpc {
            float_absolute_tolerance,
            float_relative_tolerance,
            ..
        } => float_absolute_tolerance.or(float_relative_tolerance).is_some(),
        _ => false,
    }
}

const LINES: Checker = Checker::Lines;
const TOKENS: Checker = Checker::Tokens { case_sensitive: true };

fn check(checker: Checker, expected: &[u8], chunks: &[&[u8]]) -> Check {
    let mut comparison = Comparison::new(&checker, expected);
    for chunk in chunks {
        comparison.feed(chunk);
    }
    comparison.finish()
}

fn accepts(checker: Checker, expected: &[u8], output: &[u8]) -> bool {
    check(checker, expected, &[output]) == Check::Accepted
}

fn message(checker: Checker, expected: &[u8], output: &[u8]) -> String {
    match check(checker, expected, &[output]) {
        Check::Accepted => panic!("{checker:?} accepts {output:?} for {expected:?}"),
        Check::Refused { message } => message,
    }
}

/// Short texts over few bytes, so that equal and nearly equal ones are frequent.
fn text() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        "a", "B", "b", "A", "1", "1.0", "1.0004", "1.1", "nan", "-inf", "inf", "1e3", "0", "-0", " ", " ",
        "\t", "\n", "\n", "\r\n", "\x0B", "\0", "\u{FEFF}",
    ]);
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat().into_bytes())
}

/// [`pair`] with so much before it and within it that is the same on both sides that checkers pass over it in blocks.
fn long_pair() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    let within = (0..40_usize, any::<prop::sample::Index>());
    (pair(), text(), 0..40_usize, within).prop_map(|((expected, output), same, before, (times, at))| {
        let at = at.index(expected.len().min(output.len()) + 1);
        let around = |side: &[u8]| {
            let (head, tail) = side.split_at(at);
            [&*same.repeat(before), head, &same.repeat(times), tail].concat()
        };
        (around(&expected), around(&output))
    })
}

/// A text and a variation of it: white space changed, lines swapped, letters in another case, one byte changed.
fn pair() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    let similar = text().prop_flat_map(|text| {
        let varied = (0..6_u8, any::<prop::sample::Index>(), any::<u8>()).prop_map({
            let text = text.clone();
            move |(kind, at, byte)| vary(&text, kind, at, byte)
        });
        (Just(text), varied)
    });
    prop_oneof![3 => similar, 1 => (text(), text())]
}

fn vary(text: &[u8], kind: u8, at: prop::sample::Index, byte: u8) -> Vec<u8> {
    let position = at.index(text.len() + 1);
    let mut varied = text.to_vec();
    match kind {
        0 => {}
        1 => varied.insert(position, b' '),
        2 => varied.insert(position, b'\n'),
        3 => {
            let mut lines: Vec<_> = text.split(|byte| *byte == b'\n').collect();
            let first = at.index(lines.len());
            lines.rotate_left(first);
            varied = lines.join(&b'\n');
        }
        4 => varied.make_ascii_uppercase(),
        _ => {
            if let Some(changed) = varied.get_mut(position) {
                *changed = byte;
            }
        }
    }
    varied
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(4000) })]

    #[test]
    fn every_checker_keeps_its_promise((expected, output) in prop_oneof![pair(), long_pair()]) {
        let can_tell = reference::can_tell(&expected) && reference::can_tell(&output);
        for checker in ALL.into_iter().filter(|checker| can_tell || !reads_numbers(*checker)) {
            prop_assert_eq!(
                accepts(checker, &expected, &output),
                reference::accepts(checker, &expected, &output),
                "{:?}", checker
            );
        }
    }

    #[test]
    fn chunks_never_matter((expected, output) in prop_oneof![pair(), long_pair()], cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..5)) {
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(output.len() + 1)).collect();
        cuts.sort_unstable();
        let mut chunks = Vec::new();
        let mut from = 0;
        for cut in cuts.into_iter().chain([output.len()]) {
            chunks.push(&output[from..cut]);
            from = cut;
        }
        let bytes: Vec<_> = output.chunks(1).collect();
        for checker in ALL {
            let whole = check(checker, &expected, &[&output]);
            prop_assert_eq!(&check(checker, &expected, &chunks), &whole, "{:?}", checker);
            prop_assert_eq!(&check(checker, &expected, &bytes), &whole, "{:?}", checker);
        }
    }
}

#[test]
fn a_missing_last_newline_matters_only_where_all_white_space_does() {
    for checker in ALL {
        assert_eq!(
            accepts(checker, b"1\n", b"1"),
            !sees_the_last_newline(checker),
            "{checker:?}"
        );
        assert_eq!(
            accepts(checker, b"1", b"1\n\n \n"),
            !sees_the_last_newline(checker),
            "{checker:?}"
        );
    }
}

#[test]
fn windows_line_ends_are_trailing_white_space() {
    for checker in ALL {
        assert_eq!(
            accepts(checker, b"1\n2\n", b"1\r\n2\r\n"),
            !sees_the_last_newline(checker),
            "{checker:?}"
        );
    }
}

#[test]
fn a_byte_order_mark_is_part_of_the_output() {
    for checker in ALL {
        assert!(!accepts(checker, b"1\n", b"\xEF\xBB\xBF1\n"), "{checker:?}");
        assert!(
            accepts(checker, b"\xEF\xBB\xBF1\n", b"\xEF\xBB\xBF1\n"),
            "{checker:?}"
        );
    }
}

#[test]
fn nul_bytes_and_invalid_utf8_count() {
    for checker in ALL {
        assert!(
            accepts(checker, b"a\0\xFF\xFEb\n", b"a\0\xFF\xFEb\n"),
            "{checker:?}"
        );
        assert!(
            !accepts(checker, b"a\0\xFF\xFEb\n", b"a\0\xFF\xFDb\n"),
            "{checker:?}"
        );
        assert!(!accepts(checker, b"a\n", b"a\0\n"), "{checker:?}");
        assert!(!accepts(checker, b"a\n", b"\0\n"), "{checker:?}");
    }
}

#[test]
fn an_empty_output_is_right_where_nothing_is_expected() {
    for checker in ALL {
        assert!(accepts(checker, b"", b""), "{checker:?}");
        assert!(!accepts(checker, b"1\n", b""), "{checker:?}");
        assert!(!accepts(checker, b"", b"1\n"), "{checker:?}");
    }
}

#[test]
fn white_space_inside_a_line_is_no_trailing_one() {
    assert!(!accepts(LINES, b"a b\n", b"a  b\n"));
    assert!(!accepts(LINES, b"a b\n", b"a\tb\n"));
    assert!(!accepts(LINES, b"a\n", b" a\n"));
    assert!(!accepts(LINES, b"a\n\nb\n", b"a\nb\n"));
    assert!(!accepts(LINES, b"a\n", b"\na\n"));
    assert!(accepts(TOKENS, b"a b\n", b"\n\n  a\n\tb"));
    assert!(!accepts(TOKENS, b"a b\n", b"ab"));
}

#[test]
fn unordered_lines_are_counted() {
    let checker = Checker::UnorderedLines;
    assert!(accepts(checker, b"a\nb\na\n", b"b\na\na \n\n"));
    assert!(!accepts(checker, b"a\nb\na\n", b"b\nb\na\n"));
    assert!(!accepts(checker, b"a\nb\n", b"a\nb\nb\n"));
    assert!(
        !accepts(checker, b"a\n\nb\n", b"a\nb\n"),
        "a blank line between others is a line"
    );
    assert!(!accepts(checker, b"ab\nc\n", b"a\nbc\n"));
}

#[test]
fn the_icpc_validator_reads_numbers_only_in_the_expected_output_and_only_with_a_tolerance() {
    let plain = icpc(Words::AnyCase, Space::Any, None);
    let near = icpc(Words::AnyCase, Space::Any, Some(0.01));
    for (checker, expected, output, equal) in [
        (plain, "Yes\n", "  YES", true),
        (icpc(Words::Sensitive, Space::Any, None), "Yes", "YES", false),
        (plain, "1.0", "1.00", false),
        (plain, "\u{c4}", "\u{e4}", false),
        (near, "0.0314", "3.14000000e-2", true),
        (near, "1.", "+1.005", true),
        (near, "1", "one", false),
        (near, "one", "ONE", true),
        (near, "one", "1", false),
        // Not in the format's grammar, and so text.
        (near, "inf", "INF", true),
        (near, "inf", "Infinity", false),
        (near, "nan", "NaN", true),
        (near, "1", "nan", false),
        (near, "1e999", "1E999", true),
        (near, "1e999", "2e999", false),
        (near, "0x10", "16", false),
        // Integers are numbers too, once there is a tolerance.
        (near, "1000000", "1000001", true),
    ] {
        assert_eq!(
            accepts(checker, expected.as_bytes(), output.as_bytes()),
            equal,
            "{checker:?} {expected} {output}"
        );
    }
    let only_absolute = Checker::Icpc {
        case_sensitive: false,
        space_change_sensitive: false,
        float_absolute_tolerance: Some(0.5),
        float_relative_tolerance: None,
    };
    assert!(accepts(only_absolute, b"1000", b"1000.5"));
    assert!(!accepts(only_absolute, b"1000", b"1000.6"));
}

#[test]
fn white_space_counts_byte_by_byte_where_the_icpc_validator_is_told_so() {
    let checker = icpc(Words::AnyCase, Space::Same, Some(0.1));
    assert!(accepts(checker, b" a  1\n\nb\n", b" A  1.05\n\nB\n"));
    for output in [
        "a  1\n\nb\n",
        " a 1\n\nb\n",
        " a\t 1\n\nb\n",
        " a  1\nb\n",
        " a  1\n\nb",
        " a  1\n\nb\n\n",
        " a  1\n\nb \n",
    ] {
        assert!(
            !accepts(checker, b" a  1\n\nb\n", output.as_bytes()),
            "{output:?}"
        );
    }
    assert_eq!(
        message(checker, b"a\nb c\n", b"a\nb\tc\n"),
        "the white space in line 2 differs"
    );
    assert_eq!(
        message(checker, b"a\n\nb\n", b"a\nb\n"),
        "the white space before token 2 in line 2 differs: \"b\""
    );
    assert_eq!(
        message(checker, b"a\n", b"a"),
        "the output ends too early, in its white space"
    );
}

#[test]
fn messages_tell_where_and_show_the_programs_own_output() {
    for (checker, expected, output, told) in [
        (
            LINES,
            "a\nbcd\n",
            "a\nbxd\n",
            "line 2 differs in column 2: \"bxd\"",
        ),
        (
            LINES,
            "Привет, мир!",
            "Пока, it's me",
            "line 1 differs in column 2: \"Пока, it's me\"",
        ),
        (LINES, "a\nbcd\n", "a\nb\n", "line 2 ends too early: \"b\""),
        (LINES, "a\nb\n", "a\n", "the output ends too early, in line 2"),
        (LINES, "a\n", "a\n\n b\n", "line 3 is one too many: \" b\""),
        (
            Checker::Exact,
            "a\nb",
            "a\nb\n",
            "the output goes on after its expected end, at byte 4 in line 2: \"b\"",
        ),
        (
            Checker::Exact,
            "a\nb",
            "a\nc\n",
            "the output differs at byte 3, in line 2: \"c\"",
        ),
        (
            Checker::Exact,
            "a\nb",
            "a\n",
            "the output ends too early, after 2 bytes in line 2",
        ),
        (TOKENS, "1 2\n3", "1\n2 4x", "token 3 in line 2 differs: \"4x\""),
        (TOKENS, "1 23", "1 2", "token 2 in line 1 differs: \"2\""),
        (TOKENS, "1", "1 2 3", "token 2 in line 1 is one too many: \"2\""),
        (TOKENS, "1 2", " ", "the output has no tokens"),
        (TOKENS, "1 2", "1", "the output ends too early, after token 1"),
        (
            Checker::Float {
                abs_tolerance: 0.1,
                rel_tolerance: 0.0,
            },
            "1 2",
            "1 2.5",
            "token 2 in line 1 differs: \"2.5\"",
        ),
        (
            Checker::UnorderedLines,
            "a\nb",
            "a\nc",
            "the lines differ from the expected ones, whatever their order",
        ),
        (
            Checker::UnorderedLines,
            "a\nb",
            "a",
            "another number of lines than 1 is expected",
        ),
    ] {
        assert_eq!(message(checker, expected.as_bytes(), output.as_bytes()), told);
    }
}

#[test]
fn messages_are_short_and_never_show_what_was_expected() {
    let expected = format!("same {} secret\n", "s".repeat(1000)).repeat(3);
    let output = format!("same {}", "\x1B".repeat(1 << 20));
    for checker in ALL {
        let message = message(checker, expected.as_bytes(), output.as_bytes());
        assert!(
            !message.contains("sss") && !message.contains("secret"),
            "{message}"
        );
        assert!(message.len() < 600, "{message}");
    }
}

#[test]
fn a_line_of_white_space_without_end_needs_no_memory() {
    let space = vec![b' '; 64 << 10];
    for checker in [LINES, TOKENS, Checker::UnorderedLines] {
        let mut comparison = Comparison::new(&checker, b"a\nb\n");
        comparison.feed(b"a");
        for _ in 0..256 {
            comparison.feed(&space);
        }
        comparison.feed(b"\nb");
        assert_eq!(comparison.finish(), Check::Accepted, "{checker:?}");
    }
}
