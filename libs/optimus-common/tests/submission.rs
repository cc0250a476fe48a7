//! Which submissions are refused, and by which field.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use optimus_common::submission::{Submission, SubmissionLimits};
use serde_json::{Value, json};

fn maxima() -> SubmissionLimits {
    SubmissionLimits {
        test_cases: 4,
        source_bytes: 100,
        files: 3,
        timeout_ms: 1000,
        wall_timeout_ms: 3000,
        compile_timeout_ms: 1000,
        memory_limit_mb: 64,
        output_limit_bytes: 1000,
        args: 3,
        args_bytes: 20,
        metadata_bytes: 20,
    }
}

fn minimal() -> Value {
    json!({
        "language": "python",
        "source_code": "print(input())",
        "test_cases": [{"id": 1, "input": "hi\n", "expected_output": "hi\n"}],
    })
}

/// The minimal submission with these fields set, or removed where the value is null.
fn with(changes: Value) -> Value {
    let mut body = minimal();
    let Value::Object(changes) = changes else {
        panic!("changes are an object")
    };
    for (key, value) in changes {
        let fields = body.as_object_mut().unwrap();
        if value.is_null() {
            fields.remove(&key)
        } else {
            fields.insert(key, value)
        };
    }
    body
}

fn refused_field(body: Value) -> String {
    let submission: Submission = serde_json::from_value(body).expect("well-formed");
    submission.validate(&maxima()).expect_err("breaks a rule").field
}

#[test]
fn the_minimal_submission_is_taken_and_survives_storage() {
    let submission: Submission = serde_json::from_value(minimal()).unwrap();
    submission.validate(&maxima()).unwrap();
    let stored = serde_json::to_string(&submission).unwrap();
    assert_eq!(serde_json::from_str::<Submission>(&stored).unwrap(), submission);
}

#[test]
fn bytes_that_are_no_text_survive_storage() {
    let body = with(json!({"test_cases": [
        {"id": 1, "input_base64": "/wD+", "expected_output_base64": "/w=="}
    ]}));
    let submission: Submission = serde_json::from_value(body).unwrap();
    submission.validate(&maxima()).unwrap();
    assert_eq!(submission.test_cases[0].input(), [0xff, 0x00, 0xfe]);
    let stored = serde_json::to_string(&submission).unwrap();
    assert_eq!(serde_json::from_str::<Submission>(&stored).unwrap(), submission);
}

#[test]
fn unknown_fields_are_refused_by_name() {
    for (body, name) in [
        (with(json!({"sourcecode": "x"})), "sourcecode"),
        (with(json!({"callback_url": "http://x"})), "callback_url"),
        (
            with(json!({"test_cases": [{"id": 1, "expected": "x"}]})),
            "expected",
        ),
        (
            with(json!({"checker": {"type": "lines", "tolerance": 1}})),
            "tolerance",
        ),
    ] {
        let error = serde_json::from_value::<Submission>(body)
            .unwrap_err()
            .to_string();
        assert!(error.contains(name), "{error}");
    }
}

#[test]
fn each_broken_rule_names_its_field() {
    let test = |id: u64| json!({"id": id, "input": "", "expected_output": ""});
    let file = |name: &str| json!({"name": name, "content": ""});
    let cases = [
        (json!({"source_code": null}), "source_code"),
        (json!({"source_code": "x".repeat(101)}), "source_code"),
        (json!({"files": [file("a.py")]}), "files"),
        (json!({"entry_point": "a.py"}), "entry_point"),
        (json!({"test_cases": []}), "test_cases"),
        (
            json!({"test_cases": [test(1), test(2), test(3), test(4), test(5)]}),
            "test_cases",
        ),
        (json!({"test_cases": [test(1), test(1)]}), "test_cases[1].id"),
        (
            json!({"test_cases": [{"id": 1}]}),
            "test_cases[0].expected_output",
        ),
        (
            json!({"test_cases": [{"id": 1, "expected_output": "", "expected_output_base64": ""}]}),
            "test_cases[0].expected_output_base64",
        ),
        (
            json!({"test_cases": [{"id": 1, "input": "", "input_base64": "", "expected_output": ""}]}),
            "test_cases[0].input_base64",
        ),
        (
            json!({"test_cases": [{"id": 1, "expected_output": "", "points": -1}]}),
            "test_cases[0].points",
        ),
        (
            json!({"test_cases": [{"id": 1, "expected_output": "", "points": 0}]}),
            "test_cases",
        ),
        (json!({"timeout_ms": 0}), "timeout_ms"),
        (json!({"timeout_ms": 1001}), "timeout_ms"),
        (json!({"wall_timeout_ms": 3001}), "wall_timeout_ms"),
        (json!({"compile_timeout_ms": 1001}), "compile_timeout_ms"),
        (json!({"memory_limit_mb": 65}), "memory_limit_mb"),
        (json!({"output_limit_bytes": 1001}), "output_limit_bytes"),
        (
            json!({"checker": {"type": "float", "abs_tolerance": -1.0}}),
            "checker.abs_tolerance",
        ),
        (
            json!({"checker": {"type": "icpc", "float_relative_tolerance": -1.0}}),
            "checker.float_relative_tolerance",
        ),
        (json!({"args": ["a", "b", "c", "d"]}), "args"),
        (json!({"args": ["a\u{0}"]}), "args[0]"),
        (json!({"args": ["a".repeat(21)]}), "args"),
        (json!({"env": {"A=B": "x"}}), "env.A=B"),
        (json!({"env": {"A": "x".repeat(21)}}), "env"),
        (json!({"args": ["a".repeat(21)], "env": {"A": ""}}), "args"),
        (json!({"args": ["a".repeat(15)], "env": {"A": "12345"}}), "args"),
        (json!({"args": ["a"], "env": {"A": "x".repeat(20)}}), "env"),
        (json!({"args": ["a", "b", "c"], "env": {"A": "x"}}), "args"),
        (json!({"metadata": "x".repeat(21)}), "metadata"),
    ];
    for (changes, field) in cases {
        assert_eq!(refused_field(with(changes.clone())), field, "{changes}");
    }
}

#[test]
fn one_byte_is_singular_in_messages() {
    let tight = SubmissionLimits {
        source_bytes: 0,
        args_bytes: 0,
        metadata_bytes: 1,
        ..maxima()
    };
    let message = |changes: Value| {
        let submission: Submission = serde_json::from_value(with(changes)).unwrap();
        submission.validate(&tight).unwrap_err().message
    };
    assert_eq!(
        message(json!({"source_code": "x"})),
        "has 1 byte; at most 0 are accepted"
    );
    assert_eq!(
        message(json!({"source_code": "", "metadata": "x"})),
        "may have at most 1 byte as JSON"
    );
    let args = message(json!({"source_code": "", "args": ["x"]}));
    assert!(args.starts_with("args and env together have 1 byte; "), "{args}");
}

#[test]
fn who_gives_something_twice_is_told_what_is_right() {
    let message = |changes: Value| {
        let submission: Submission = serde_json::from_value(with(changes)).unwrap();
        submission.validate(&maxima()).unwrap_err().to_string()
    };
    let test = json!({"id": 7, "expected_output": ""});
    assert_eq!(
        message(json!({"test_cases": [test, test]})),
        "test_cases[1].id: 7 is given twice; each test case needs an id of its own"
    );
    let file = json!({"name": "a.py", "content": ""});
    assert_eq!(
        message(json!({"source_code": null, "files": [file, file]})),
        "files[1].name: \"a.py\" is given twice; each file needs a name of its own"
    );
}

#[test]
fn file_names_stay_inside_the_box() {
    let files = |names: &[&str]| {
        let files: Vec<_> = names
            .iter()
            .map(|name| json!({"name": name, "content": ""}))
            .collect();
        with(json!({"source_code": null, "files": files}))
    };
    for bad in [
        "",
        "/etc/passwd",
        "../a",
        "a/../b",
        "./a",
        "a//b",
        "a/",
        "a\\b",
        "a\nb",
        "-o",
        ".optimus",
        ".optimus/main",
        "a\u{0}",
        &"x".repeat(256),
    ] {
        assert_eq!(refused_field(files(&[bad])), "files[0].name", "{bad:?}");
    }
    assert_eq!(refused_field(files(&["a", "a"])), "files[1].name");
    assert_eq!(
        refused_field(files(&["a", "a/b"])),
        "files[1].name",
        "a file cannot be a folder too"
    );
    let good: Submission =
        serde_json::from_value(files(&["main.py", "src/..util.py", "src/deep/x"])).unwrap();
    good.validate(&maxima()).unwrap();
}

#[test]
fn numbers_are_stored_as_they_were_sent() {
    // A quick conversion takes a neighbour of each of these.
    for number in [
        "2.2250738585072011e-307",
        "1.2345678901234567e-300",
        "9007199254740993e21",
        "7.2057594037927933e16",
    ] {
        let body = format!(
            r#"{{"language": "c", "source_code": "", "metadata": [{number}],
                "test_cases": [{{"id": 1, "expected_output": "", "points": {number}}}]}}"#
        );
        let sent: Submission = serde_json::from_str(&body).unwrap();
        assert_eq!(sent.test_cases[0].points, number.parse().ok());
        let stored = serde_json::to_string(&sent).unwrap();
        assert_eq!(serde_json::from_str::<Submission>(&stored).unwrap(), sent);
    }
}

#[test]
fn bytes_are_given_in_one_form_only() {
    let digest = "ab".repeat(32);
    for (name, field, refused) in [
        (
            "input",
            json!({"input": "", "input_sha256": digest}),
            "input_sha256",
        ),
        (
            "input",
            json!({"input_base64": "", "input_sha256": digest}),
            "input_sha256",
        ),
        (
            "expected_output",
            json!({"expected_output": "", "expected_output_base64": ""}),
            "expected_output_base64",
        ),
        (
            "expected_output",
            json!({"expected_output": null}),
            "expected_output",
        ),
    ] {
        let mut case = json!({"id": 1, "expected_output": "1"});
        if name == "expected_output" {
            case = json!({"id": 1});
        }
        case.as_object_mut()
            .unwrap()
            .extend(field.as_object().unwrap().clone());
        let submission = json!({"language": "python", "source_code": "", "test_cases": [case]});
        let submission: Submission = serde_json::from_value(submission).unwrap();
        let error = submission.validate(&maxima()).unwrap_err();
        assert_eq!(error.field, format!("test_cases[0].{refused}"), "{error}");
    }
    let submission = json!({
        "language": "python", "files": [{"name": "a.py", "content_sha256": digest, "content": ""}],
        "test_cases": [{"id": 1, "expected_output_sha256": digest}],
    });
    let submission: Submission = serde_json::from_value(submission).unwrap();
    let error = submission.validate(&maxima()).unwrap_err();
    assert_eq!(error.field, "files[0].content_sha256");
}

#[test]
fn named_content_counts_as_often_as_it_is_named() {
    let digest = "ab".repeat(32);
    let submission = json!({
        "language": "python", "files": [{"name": "a.py", "content_sha256": digest}],
        "test_cases": [
            {"id": 1, "input_sha256": digest, "expected_output_sha256": digest},
            {"id": 2, "input_sha256": digest, "expected_output": ""},
        ],
    });
    let mut submission: Submission = serde_json::from_value(submission).unwrap();
    let field = |submission: &Submission, most| Some(submission.validate_content(most).err()?.field);
    assert_eq!(field(&submission, 1000).unwrap(), "files[0].content_sha256");
    for named in submission.named_content_mut() {
        named.set_size(100);
    }
    assert_eq!(field(&submission, 400), None);
    assert_eq!(field(&submission, 399).unwrap(), "test_cases[1].input_sha256");
    assert_eq!(field(&submission, 99).unwrap(), "files[0].content_sha256");
    let most = SubmissionLimits {
        source_bytes: 99,
        ..maxima()
    };
    assert_eq!(submission.validate(&most).unwrap_err().field, "files");
    assert_eq!(submission.test_cases[0].input_size(), 100);
}
