//! Large jobs, and bytes that are no text.

use optimus_testkit::client::{assert_verdict, submission, verdicts, with};
use serde_json::json;

use crate::system::System;

const MIB: usize = 1 << 20;

pub(crate) async fn two_hundred_tests(system: &System) {
    let tests: Vec<_> = (0..200)
        .map(|n| (format!("{n}\n"), if n == 150 { 0 } else { n * n }.to_string()))
        .collect();
    let tests: Vec<_> = tests
        .iter()
        .map(|(input, expected)| (input.as_str(), expected.as_str()))
        .collect();
    let record = system
        .client
        .grade(&submission("python", "n = int(input())\nprint(n * n)", &tests))
        .await;
    assert_verdict(&record, "wrong_answer", "200 tests");
    let wrong: Vec<_> = verdicts(&record)
        .iter()
        .enumerate()
        .filter(|(_, v)| **v != "accepted")
        .map(|(i, _)| i)
        .collect();
    assert_eq!(wrong, [150]);
    assert_eq!(record["result"]["passed_tests"], 199);
}

pub(crate) async fn an_input_of_64_mib(system: &System) {
    let input = "0123456789abcdef".repeat(64 * MIB / 16);
    let source = r"
import sys, hashlib
digest, total = hashlib.sha256(), 0
while chunk := sys.stdin.buffer.read(1 << 20):
    digest.update(chunk)
    total += len(chunk)
print(total, digest.hexdigest())
";
    let expected = "67108864 42ef3a50fe506ced865473b082c8b28f6ce254e6e2b01266b6a563531a6267bc";
    let record = system
        .client
        .grade(&submission(
            "python",
            source,
            &[
                (&input, expected),
                (
                    "",
                    "0 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                ),
            ],
        ))
        .await;
    assert_verdict(&record, "accepted", "an input of 64 MiB");
}

pub(crate) async fn an_output_of_16_mib(system: &System) {
    let line = "y".repeat(1023) + "\n";
    let expected = line.repeat(16 * MIB / 1024);
    let source = "import sys\nfor _ in range(16384): sys.stdout.write('y' * 1023 + '\\n')";
    let record = system
        .client
        .grade(&submission("python", source, &[("", &expected)]))
        .await;
    assert_verdict(&record, "accepted", "an output of 16 MiB");
    let test = &record["result"]["test_results"][0];
    assert_eq!(test["stdout_truncated"], true);
    assert!(
        test["stdout"].as_str().unwrap().len() <= 64 << 10,
        "what is kept is bounded"
    );

    let source = format!("{source}\nprint('more')");
    let record = system
        .client
        .grade(&submission("python", &source, &[("", &expected)]))
        .await;
    assert_verdict(&record, "output_limit_exceeded", "an output of more than 16 MiB");
}

pub(crate) async fn a_source_of_1_mib(system: &System) {
    let filler = "# a comment of some length, again and again\n".repeat(MIB / 44);
    let source = format!("{filler}print('the end')\n");
    assert!(source.len() > MIB - 100);
    let record = system
        .client
        .grade(&submission("python", &source, &[("", "the end")]))
        .await;
    assert_verdict(&record, "accepted", "a source of 1 MiB");
}

pub(crate) async fn tests_that_are_not_utf8(system: &System) {
    // FF FE 00 80 0A and C3 28 0A
    let tests = json!([
        {"id": 7, "input_base64": "//4AgAo=", "expected_output_base64": "//4AgAo="},
        {"id": 9, "input_base64": "//4AgAo=", "expected_output_base64": "wygK"},
    ]);
    let source = "import sys\nsys.stdout.buffer.write(sys.stdin.buffer.read())";
    let record = system
        .client
        .grade(&with(
            submission("python", source, &[]),
            json!({"test_cases": tests}),
        ))
        .await;
    assert_eq!(verdicts(&record), ["accepted", "wrong_answer"]);
    let test = &record["result"]["test_results"][0];
    assert_eq!(test["test_id"], 7);
    assert_eq!(test["stdout_base64"], "//4AgAo=");
}
