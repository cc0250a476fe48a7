//! From the bytes of a body to a submission, or to the field that is wrong.

use optimus_common::submission::{Submission, SubmissionLimits};
use serde_json::error::Category;
use serde_path_to_error::{Path, Segment};

use crate::problem::Problem;

/// Reads a submission. Unknown and repeated fields are refused by name.
pub(crate) fn read_submission(body: &[u8], maxima: &SubmissionLimits) -> Result<Submission, Problem> {
    let most = most_values(maxima);
    if count_values(body) > most {
        return Err(Problem::too_many_values(most));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let submission = serde_path_to_error::deserialize(&mut deserializer)
        .map_err(|error| problem_of(error.inner(), error.path()))?;
    deserializer.end().map_err(|error| malformed(&error))?;
    Ok(submission)
}

/// More values than the largest acceptable submission can have.
///
/// A value of two bytes takes up to a hundred in memory. With this bound a body of the largest size stays about that
/// size when it is read.
fn most_values(maxima: &SubmissionLimits) -> usize {
    // Generous, so that a submission somewhat too large is still told which of its fields is.
    const GENEROUS: u64 = 32;
    let items = maxima
        .test_cases
        .saturating_add(maxima.files)
        .saturating_add(maxima.args);
    let values = items
        .saturating_mul(GENEROUS)
        .saturating_add(maxima.metadata_bytes)
        .saturating_add(1024);
    usize::try_from(values).unwrap_or(usize::MAX)
}

/// The number of values and fields in well-formed JSON, at most one too many for each array and object.
fn count_values(json: &[u8]) -> usize {
    let mut count = 0;
    let mut rest = json;
    while let Some(at) = rest
        .iter()
        .position(|byte| matches!(byte, b'"' | b',' | b'[' | b'{'))
    {
        let found = rest[at];
        rest = &rest[at + 1..];
        if found == b'"' {
            rest = after_string(rest);
        } else {
            count += 1;
        }
    }
    count
}

/// What follows the string that `rest` is inside of.
fn after_string(mut rest: &[u8]) -> &[u8] {
    while let Some(at) = memchr::memchr2(b'"', b'\\', rest) {
        if rest[at] == b'"' {
            return &rest[at + 1..];
        }
        rest = rest.get(at + 2..).unwrap_or_default();
    }
    &[]
}

fn problem_of(error: &serde_json::Error, path: &Path) -> Problem {
    let message = match (error.classify(), message_of(error)) {
        (Category::Data, message) => message,
        // That is JSON all the same: its numbers have no bounds.
        (Category::Syntax, message) if message == "number out of range" => {
            "is too large a number; at most about 1.8e308 can be kept".to_owned()
        }
        _ => return malformed(error),
    };
    let field = field_of(&message, path);
    Problem::invalid_field(field, message)
}

fn malformed(error: &serde_json::Error) -> Problem {
    Problem::malformed_json(message_of(error), error.line(), error.column())
}

/// The error without the place, which stands in fields of its own.
fn message_of(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let text = text.strip_suffix(&place).unwrap_or(&text);
    // A type of ours says nothing to whoever sends JSON.
    let expected = [
        (", expected u64", ", expected a whole number from 0 on"),
        (", expected f64", ", expected a number"),
    ];
    let told = expected
        .into_iter()
        .find_map(|(type_name, words)| Some(format!("{}{words}", text.strip_suffix(type_name)?)));
    told.unwrap_or_else(|| text.to_owned())
}

/// The path of the field an error is about. For a field that is missing, repeated or unknown the path serde knows may
/// end at the object around it; the name then stands in the message only.
fn field_of(message: &str, path: &Path) -> String {
    let around = path.iter().next().map(|_| path.to_string());
    let name = named(message);
    let ends_with = |name: &str| match path.iter().next_back() {
        Some(Segment::Map { key }) => key == name,
        _ => false,
    };
    match (around, name) {
        (Some(path), Some(name)) if !ends_with(name) => format!("{path}.{name}"),
        (Some(path), _) => path,
        (None, Some(name)) => name.to_owned(),
        (None, None) => "body".to_owned(),
    }
}

fn named(message: &str) -> Option<&str> {
    if let Some(rest) = message.strip_prefix("unknown field `") {
        let end = rest
            .rfind("`, expected")
            .or_else(|| rest.rfind("`, there are no fields"))?;
        return Some(&rest[..end]);
    }
    let rest = message
        .strip_prefix("missing field `")
        .or_else(|| message.strip_prefix("duplicate field `"))?;
    rest.strip_suffix('`')
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::Settings;

    fn refused(body: &str) -> Value {
        let maxima = Settings::defaults().limits.max;
        serde_json::from_slice(&read_submission(body.as_bytes(), &maxima).unwrap_err().to_json()).unwrap()
    }

    #[test]
    fn each_field_at_fault_is_named_with_its_path() {
        for (body, field) in [
            (r#"{"source": 1}"#, "source"),
            (r#"{"language": 1}"#, "language"),
            (r#"{"language": "No Such"}"#, "language"),
            (r#"{"language": "c", "language": "c"}"#, "language"),
            (r#"{"language": "c"}"#, "test_cases"),
            (r#"{"language": "c", "test_cases": {}}"#, "test_cases"),
            (
                r#"{"language": "c", "test_cases": [{"id": 1}, {"id": "2"}]}"#,
                "test_cases[1].id",
            ),
            (
                r#"{"language": "c", "test_cases": [{"id": -1}]}"#,
                "test_cases[0].id",
            ),
            (r#"{"language": "c", "test_cases": [{}]}"#, "test_cases[0].id"),
            (
                r#"{"language": "c", "test_cases": [{"id": 1, "id": 1}]}"#,
                "test_cases[0].id",
            ),
            (
                r#"{"language": "c", "test_cases": [{"id": 1, "stdin": ""}]}"#,
                "test_cases[0].stdin",
            ),
            (
                r#"{"test_cases": [{"id": 1, "input_base64": "a"}]}"#,
                "test_cases[0].input_base64",
            ),
            (r#"{"checker": {"type": "magic"}}"#, "checker.type"),
            (
                r#"{"checker": {"type": "lines", "tolerance": 1}}"#,
                "checker.tolerance",
            ),
            (r#"{"files": [{"content": ""}]}"#, "files[0].name"),
            (r#"{"env": {"A": 1}}"#, "env.A"),
            (r#"{"env": {"A": "1", "A": "1"}}"#, "env.A"),
            (r#"{"metadata": {"a": {"b": 1, "b": 1}}}"#, "metadata.a.b"),
            (r#"{"priority": "high"}"#, "priority"),
            (r#"{"priority": null}"#, "priority"),
            (r#"{"language": "c", "priority": 1, "env": {}}"#, "priority"),
            (r#"{"callback_url": "https://example.org"}"#, "callback_url"),
            // Not by the order of the fields, at any depth.
            (r#"{"test_cases": [[1, "in", null, "out"]]}"#, "test_cases[0]"),
            (
                r#"{"test_cases": [{"id": 1, "expected_output": ""}, []]}"#,
                "test_cases[1]",
            ),
            (r#"{"files": [["main.py", "print(1)"]]}"#, "files[0]"),
            (r#"{"checker": ["float", 1, 0]}"#, "checker"),
            (r#"{"checker": null}"#, "checker"),
            (r#"{"priority": {"batch": null}}"#, "priority"),
            (r#"{"priority": ["batch"]}"#, "priority"),
            (r#"{"message_detail": {"full": null}}"#, "message_detail"),
            (r#"{"checker": {"type": {"lines": null}}}"#, "checker.type"),
            (
                r#"{"checker": {"abs_tolerance": "x", "type": "float"}}"#,
                "checker.abs_tolerance",
            ),
            (
                r#"{"checker": {"type": "float", "rel_tolerance": null}}"#,
                "checker.rel_tolerance",
            ),
            (
                r#"{"checker": {"type": "tokens", "case_sensitive": 1}}"#,
                "checker.case_sensitive",
            ),
            (
                r#"{"checker": {"type": "icpc", "float_absolute_tolerance": "1"}}"#,
                "checker.float_absolute_tolerance",
            ),
            (
                r#"{"checker": {"type": "lines", "abs_tolerance": 1}}"#,
                "checker.abs_tolerance",
            ),
            (r#"{"checker": {"case_sensitive": true}}"#, "checker.type"),
            (
                r#"{"checker": {"type": "float", "abs_tolerance": 1, "abs_tolerance": 1}}"#,
                "checker.abs_tolerance",
            ),
            // Numbers of JSON, though no double holds them.
            (r#"{"timeout_ms": 1e400}"#, "timeout_ms"),
            (
                r#"{"test_cases": [{"id": 1, "points": -1e400}]}"#,
                "test_cases[0].points",
            ),
            (
                r#"{"checker": {"type": "float", "abs_tolerance": 1e400}}"#,
                "checker.abs_tolerance",
            ),
            (r#"{"metadata": {"a": [1, 1e999]}}"#, "metadata.a[1]"),
            ("[]", "body"),
            ("1e400", "body"),
            ("[\"python\", \"print(1)\"]", "body"),
            ("null", "body"),
            ("\"x\"", "body"),
        ] {
            let problem = refused(body);
            assert_eq!(problem["field"], field, "{body}: {problem}");
            assert_eq!(problem["errors"][0]["field"], field);
            assert_eq!(problem["status"], 400);
        }
    }

    #[test]
    fn what_was_expected_is_told_in_words_of_json() {
        for (body, words) in [
            (r#"{"timeout_ms": -5}"#, "a whole number from 0 on"),
            (r#"{"checker": "lines"}"#, "an object with the checker's name"),
            (
                r#"{"priority": null}"#,
                "one of the texts `interactive`, `normal`, `batch`",
            ),
            (r#"{"checker": {"type": 1}}"#, "one of the texts `lines`, "),
            (r#"{"test_cases": [[1]]}"#, "expected an object"),
            (r#"{"timeout_ms": 1e400}"#, "too large a number"),
        ] {
            let problem = refused(body);
            let message = problem["errors"][0]["message"].as_str().unwrap();
            assert!(message.contains(words), "{body}: {message}");
            assert_ne!(problem["title"], "The body is not JSON");
        }
        let broken = refused(r#"{"priority": nul"#);
        assert_eq!(broken["title"], "The body is not JSON");
    }

    #[test]
    fn malformed_json_is_answered_with_its_place() {
        let problem = refused("{\n  \"language\": python\n}");
        assert_eq!(
            (&problem["line"], &problem["column"]),
            (&2.into(), &15.into()),
            "{problem}"
        );
        for (body, line) in [("", 1), ("{\"language\": \"a\n\"}", 2)] {
            let problem = refused(body);
            assert_eq!(
                (&problem["line"], &problem["column"]),
                (&line.into(), &1.into()),
                "counted from 1: {problem}"
            );
        }
        for body in ["", "{", "{}x", "{\"language\": \"\\ud800\"}", "\u{feff}{}"] {
            let problem = refused(body);
            assert!(
                problem["type"]
                    .as_str()
                    .is_some_and(|kind| kind.ends_with("malformed-json"))
                    || body == "{}x",
                "{body}: {problem}"
            );
        }
    }

    #[test]
    fn a_long_text_of_the_client_is_not_repeated_whole() {
        let problem = refused(&format!(r#"{{"{}": 1}}"#, "é".repeat(1 << 20)));
        assert!(problem.to_string().len() < 4096);
    }

    #[test]
    fn deep_nesting_is_refused_and_not_followed() {
        for open in ["[", "{\"a\":"] {
            let problem = refused(&format!(r#"{{"metadata": {}"#, open.repeat(10_000)));
            assert_eq!(problem["status"], 400, "{problem}");
        }
    }

    #[test]
    fn values_are_counted_outside_of_strings_only() {
        assert_eq!(count_values(br#"{"a": [1, 2], "b": "x,[{\",\\"}"#), 4);
        assert_eq!(count_values(b"\"unended \\"), 0);
    }

    #[test]
    fn a_body_of_countless_tiny_values_is_refused_before_it_is_read() {
        let body = format!(r#"{{"metadata": [{}0]}}"#, "0,".repeat(1 << 20));
        assert!(
            refused(&body)["type"]
                .as_str()
                .unwrap()
                .ends_with("too-many-values")
        );
    }
}
