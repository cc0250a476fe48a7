//! What a submission may contain beside one source and its tests.

use optimus_testkit::client::{StatusCode, assert_verdict, submission, verdicts, with};
use serde_json::json;

use crate::system::System;

pub(crate) async fn several_files(system: &System) {
    let test = json!([{"id": 1, "input": "4\n", "expected_output": "16\n"}]);
    let python = json!({
        "language": "python", "test_cases": test, "entry_point": "start.py",
        "files": [
            {"name": "util/square.py", "content": "def square(n): return n * n"},
            {"name": "start.py", "content": "from util.square import square\nprint(square(int(input())))"},
        ],
    });
    let c = json!({
        "language": "c", "test_cases": test,
        "files": [
            {"name": "main.c", "content": "#include <stdio.h>\n#include \"square.h\"\nint main(void) { int n; scanf(\"%d\", &n); printf(\"%d\\n\", square(n)); }"},
            {"name": "square.h", "content": "int square(int n);"},
            {"name": "square.c", "content_base64": "aW50IHNxdWFyZShpbnQgbikgeyByZXR1cm4gbiAqIG47IH0="},
        ],
    });
    let java = json!({
        "language": "java", "test_cases": test,
        "files": [
            {"name": "Start.java", "content": "public class Start { public static void main(String[] args) { System.out.println(Square.of(new java.util.Scanner(System.in).nextInt())); } }"},
            {"name": "Square.java", "content": "class Square { static int of(int n) { return n * n; } }"},
        ],
    });
    for (what, submission) in [("python", python), ("c", c), ("java", java)] {
        assert_verdict(&system.client.grade(&submission).await, "accepted", what);
    }
}

pub(crate) async fn arguments_and_environment(system: &System) {
    let source = "import os, sys\nprint(sys.argv[1:], os.environ['GREETING'])";
    let base = submission("python", source, &[("", "['a b', '{source}', ''] hi $HOME")]);
    let more = json!({"args": ["a b", "{source}", ""], "env": {"GREETING": "hi $HOME"}});
    assert_verdict(
        &system.client.grade(&with(base, more)).await,
        "accepted",
        "arguments and environment",
    );
}

pub(crate) async fn a_java_class_may_have_any_name(system: &System) {
    let source =
        "public class Wunderbär { public static void main(String[] a) { System.out.println(\"hi\"); } }";
    let record = system
        .client
        .grade(&submission("java", source, &[("", "hi")]))
        .await;
    assert_verdict(&record, "accepted", "a public class that is not Main");
}

pub(crate) async fn tests_after_a_failure_are_skipped_on_demand(system: &System) {
    let source = "n = int(input())\nprint(n)";
    let tests = [("1", "1"), ("2", "3"), ("4", "4")];
    let all = system.client.grade(&submission("python", source, &tests)).await;
    assert_eq!(verdicts(&all), ["accepted", "wrong_answer", "accepted"]);
    let stopping = with(
        submission("python", source, &tests),
        json!({"stop_on_failure": true}),
    );
    let record = system.client.grade(&stopping).await;
    assert_eq!(verdicts(&record), ["accepted", "wrong_answer", "skipped"]);
    assert_verdict(&record, "wrong_answer", "stopped");
}

pub(crate) async fn points_and_checkers(system: &System) {
    let mut scored = submission("python", "print(input())", &[("1", "1"), ("2", "3")]);
    scored["test_cases"][0]["points"] = json!(3);
    let record = system.client.grade(&scored).await;
    assert_eq!(record["result"]["score"], 0.75);
    assert_eq!(record["result"]["passed_tests"], 1);

    let cases = [
        (json!({"type": "exact"}), "a\n", "a", "wrong_answer"),
        (json!({"type": "lines"}), "a \n\n", "a", "accepted"),
        (
            json!({"type": "tokens", "case_sensitive": false}),
            "yes  no",
            "YES\nno",
            "accepted",
        ),
        (
            json!({"type": "float", "abs_tolerance": 0.01, "rel_tolerance": 0}),
            "3.14159",
            "3.14",
            "accepted",
        ),
        (json!({"type": "unordered_lines"}), "b\na\n", "a\nb\n", "accepted"),
        (
            json!({"type": "unordered_lines"}),
            "b\nb\n",
            "a\nb\n",
            "wrong_answer",
        ),
    ];
    for (checker, printed, expected, verdict) in cases {
        let source = format!("print({printed:?}, end='')");
        let checked = with(
            submission("python", &source, &[("", expected)]),
            json!({"checker": checker}),
        );
        assert_verdict(
            &system.client.grade(&checked).await,
            verdict,
            &checker.to_string(),
        );
    }
}

pub(crate) async fn a_repeated_submission_is_the_same_job(system: &System) {
    let body = submission("python", "print(1)", &[("", "1")]);
    let first = system.client.submit_surely(&body, "the-same-key").await;
    let again = system.client.submit_surely(&body, "the-same-key").await;
    assert_eq!(first, again);
    assert_verdict(&system.client.done(&first).await, "accepted", "submitted twice");
    let unknown = with(body, json!({"time_limit": 3}));
    let refused = system.client.post(&unknown).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(
        refused.body.to_string().contains("time_limit"),
        "{}",
        refused.body
    );
}
