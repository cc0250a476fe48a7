//! `submit`, `status`, `cancel`, `queues` against an API that answers as it is told.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod support;

use std::{
    os::unix::fs::symlink,
    time::{Duration, Instant},
};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::{Value, json};
use support::{
    Ended, Root,
    server::{Request, Server},
};

const ID: &str = "0190a6a0-0000-7000-8000-000000000001";

fn record(status: &str, verdict: Option<&str>) -> Value {
    let result = verdict.map(|verdict| {
        json!({
            "overall_status": match verdict { "accepted" => "success", "cancelled" => "cancelled", "internal_error" => "internal_error", _ => "failed" },
            "verdict": verdict,
            "score": 0.5,
            "total_tests": 1,
            "passed_tests": 1,
            "compile": null,
            "test_results": [{
                "test_id": 1, "passed": verdict == "accepted", "verdict": verdict, "stdout": "", "stderr": "",
                "execution_time_ms": 14, "cpu_time_ms": 11, "peak_memory_bytes": 9_437_184, "exit_code": 0,
                "signal": null, "stdout_truncated": false, "stderr_truncated": false, "message": "because \u{1b}[2J",
            }],
        })
    });
    json!({
        "job_id": ID, "status": status, "language": "python", "attempts": 1, "created_at": "2026-01-01T00:00:00Z",
        "started_at": null, "finished_at": null, "result": result, "error": null,
    })
}

fn languages() -> Value {
    let entry = |name: &str, extension: &str, others: &[&str]| {
        json!({
            "name": name, "file_extension": extension, "other_extensions": others, "available": true, "reason": null,
        })
    };
    json!({"languages": [entry("python", ".py", &[]), entry("cpp", ".cpp", &[".cc"])]})
}

/// Takes a submission; the job then is as given.
fn api(job: Value) -> Server {
    Server::start(
        move |request: &Request| match request.line.split([' ', '?']).collect::<Vec<_>>()[..2] {
            ["GET", "/languages"] => (200, languages()),
            ["POST", "/jobs"] => (202, json!({"job_id": ID, "status": "queued"})),
            ["GET", _] => (200, job.clone()),
            _ => (500, json!({})),
        },
    )
}

fn root() -> Root {
    let root = Root::new();
    root.write("a.py", "print(input())\n");
    root.write("tests/1.in", "hi\n");
    root.write("tests/1.ans", "hi\n");
    root
}

#[test]
fn a_program_and_a_folder_become_a_submission() {
    let root = root();
    root.write("tests/2.in", [0xff, 0x00]);
    root.write("tests/2.out", "");
    let server = api(record("completed", Some("accepted")));
    let url = server.url();
    let args = [
        "submit",
        "a.py",
        "--tests",
        "tests",
        "--api",
        &url,
        "--timeout-ms",
        "900",
        "--checker",
        "exact",
        "--priority",
        "batch",
        "--idempotency-key",
        "once",
        "--token",
        "secret",
        "--json",
    ];
    let told = root.run(&args).exits(0).json();
    assert_eq!(told, json!({"job_id": ID, "status": "queued"}));
    assert_eq!(
        server.body_of("POST /jobs"),
        json!({
            "language": "python",
            "source_code": "print(input())\n",
            "test_cases": [
                {"id": 1, "input": "hi\n", "expected_output": "hi\n"},
                {"id": 2, "input_base64": "/wA=", "expected_output": ""},
            ],
            "timeout_ms": 900,
            "checker": {"type": "exact"},
            "priority": "batch",
        })
    );
    let post = server
        .requests()
        .into_iter()
        .find(|request| request.line.starts_with("POST"))
        .unwrap();
    assert_eq!(post.header("idempotency-key"), Some("once"));
    assert_eq!(post.header("authorization"), Some("Bearer secret"));
}

#[test]
fn a_problem_brings_its_settings_and_arguments_win() {
    let root = root();
    for (name, content) in [("sample/1", "1"), ("secret/10", "10"), ("secret/2", "2")] {
        root.write(&format!("problem/data/{name}.in"), content);
        root.write(&format!("problem/data/{name}.ans"), content);
    }
    root.write(
        "problem/problem.yaml",
        "name: X\noptimus:\n  timeout_ms: 2000\n  memory_limit_mb: 64\n  checker: {type: tokens, case_sensitive: false}\n",
    );
    let server = api(record("completed", Some("accepted")));
    let args = [
        "submit",
        "a.py",
        "--tests",
        "problem",
        "--api",
        &server.url(),
        "--memory-limit-mb",
        "128",
    ];
    root.run(&args).exits(0);
    let sent = server.body_of("POST /jobs");
    assert_eq!(sent["timeout_ms"], 2000);
    assert_eq!(sent["memory_limit_mb"], 128);
    assert_eq!(
        sent["checker"],
        json!({"type": "tokens", "case_sensitive": false})
    );
    let inputs: Vec<_> = sent["test_cases"]
        .as_array()
        .unwrap()
        .iter()
        .map(|case| case["input"].clone())
        .collect();
    assert_eq!(
        inputs,
        ["1", "10", "2"],
        "in the order of the format, which knows no numbers"
    );
}

#[test]
fn nothing_is_sent_that_was_not_handed_in() {
    let root = root();
    root.write("subs/mine.py", "print(input())\n");
    root.write("secret", "of this machine");
    let at = |name: &str| root.path().join(name);
    symlink("../secret", at("subs/link.py")).unwrap();
    symlink("mine.py", at("subs/same.py")).unwrap();
    mknodat(
        CWD,
        at("subs/pipe.py"),
        FileType::Fifo,
        Mode::RUSR | Mode::WUSR,
        0,
    )
    .unwrap();
    let server = api(record("completed", Some("accepted")));
    let url = server.url();
    let submit = |file: &str| root.run(&["submit", file, "--tests", "tests", "--api", &url]);
    submit("subs/link.py").exits(2).complains_of("leads out of");
    submit("subs/pipe.py").exits(2).complains_of("neither a file");
    submit("subs").exits(2).complains_of("subs: it is a folder");
    assert!(server.requests().is_empty());
    submit("subs/same.py").exits(0);
    assert_eq!(server.body_of("POST /jobs")["source_code"], "print(input())\n");
}

#[test]
fn several_files_and_bytes_travel_as_files() {
    let root = root();
    root.write("src/main.cc", "int main() {}");
    root.write("src/data.h", [0xff]);
    root.write("t.json", r#"[{"id": 7, "expected_output": "", "points": 2.5}]"#);
    let server = api(record("completed", Some("accepted")));
    root.run(&[
        "submit",
        "src/main.cc",
        "src/data.h",
        "--tests",
        "t.json",
        "--api",
        &server.url(),
    ])
    .exits(0);
    let sent = server.body_of("POST /jobs");
    assert_eq!(sent["language"], "cpp");
    assert_eq!(
        sent["files"],
        json!([{"name": "main.cc", "content": "int main() {}"}, {"name": "data.h", "content_base64": "/w=="}])
    );
    assert_eq!(
        sent["test_cases"],
        json!([{"id": 7, "expected_output": "", "points": 2.5}])
    );
}

#[test]
fn a_file_that_is_alone_keeps_a_name_that_says_something() {
    let root = root();
    root.write("Solve.java", "class Solve {}");
    root.write("random.py", "print(input())\n");
    let sent = |args: &[&str]| {
        let server = api(record("completed", Some("accepted")));
        let url = server.url();
        root.run(&[&["submit", "--tests", "tests", "--api", &url][..], args].concat())
            .exits(0);
        server.body_of("POST /jobs")
    };
    let java = sent(&["Solve.java", "--language", "java"]);
    assert_eq!(
        java["files"],
        json!([{"name": "Solve.java", "content": "class Solve {}"}]),
        "Java starts with the class called as its file"
    );
    assert_eq!(java.get("source_code"), None);
    root.write("Sum.MJS", "");
    root.write("loud.CC", "");
    for (args, name) in [
        (&["Sum.MJS", "--language", "javascript"][..], "Sum.mjs"),
        (&["loud.CC"], "loud.cc"),
    ] {
        assert_eq!(sent(args)["files"][0]["name"], name, "as compilers know it");
    }
    let python = sent(&["random.py"]);
    assert_eq!(
        python["source_code"], "print(input())\n",
        "it would hide a module"
    );
    assert_eq!(python.get("files"), None);
}

#[test]
fn a_whole_submission_keeps_its_fields_but_not_its_program() {
    let root = root();
    root.write(
        "s.json",
        r#"{"language": "cpp", "source_code": "old", "args": ["x"], "test_cases": [{"id": 1, "expected_output": "y"}]}"#,
    );
    let server = api(record("completed", Some("accepted")));
    root.run(&["submit", "a.py", "--tests", "s.json", "--api", &server.url()])
        .exits(0);
    let sent = server.body_of("POST /jobs");
    assert_eq!(sent["language"], "cpp");
    assert_eq!(sent["source_code"], "print(input())\n");
    assert_eq!(sent["args"], json!(["x"]));
}

#[test]
fn the_exit_code_tells_how_the_job_ended() {
    let root = root();
    let ends = [
        ("completed", "accepted", 0),
        ("completed", "wrong_answer", 1),
        ("completed", "compilation_error", 1),
        ("failed", "internal_error", 3),
        ("cancelled", "cancelled", 4),
    ];
    for (status, verdict, code) in ends {
        let server = api(record(status, Some(verdict)));
        let url = server.url();
        root.run(&["submit", "a.py", "--tests", "tests", "--wait", "--api", &url])
            .exits(code);
        root.run(&["status", ID, "--api", &url]).exits(code);
        let shown = root
            .run(&["status", ID, "--json", "--api", &url])
            .exits(code)
            .json();
        assert_eq!(shown["result"]["verdict"], verdict);
    }
    let server = api(record("running", None));
    root.run(&["status", ID, "--api", &server.url()]).exits(5);
}

#[test]
fn the_verdict_table_names_tests_and_hides_control_characters() {
    let root = root();
    let server = api(record("completed", Some("wrong_answer")));
    let ended = root
        .run(&[
            "submit",
            "a.py",
            "--tests",
            "tests",
            "--wait",
            "--api",
            &server.url(),
        ])
        .exits(1);
    for part in ["wrong answer", "14 ms", "9.0 MiB", "1 of 1 test"] {
        assert!(ended.stdout().contains(part), "{part}: {}", ended.stdout());
    }
    assert!(!ended.stdout().contains('\u{1b}'));
}

#[test]
fn refusals_are_told_with_their_field() {
    let root = root();
    let refusing = |status, field: Option<&'static str>| {
        Server::start(move |request: &Request| match request.line.as_str() {
            "GET /languages" => (200, languages()),
            _ => (
                status,
                json!({"type": "t", "title": "Refused", "status": status, "detail": "too odd", "field": field}),
            ),
        })
    };
    for (status, code) in [
        (400, 2),
        (404, 2),
        (409, 2),
        (413, 2),
        (422, 2),
        (429, 3),
        (500, 3),
        (503, 3),
    ] {
        let server = refusing(status, Some("test_cases[0].id"));
        let ended = root
            .run(&["submit", "a.py", "--tests", "tests", "--api", &server.url()])
            .exits(code);
        ended.complains_of(&format!("{status}: Refused: test_cases[0].id: too odd"));
    }
    let server = refusing(404, None);
    root.run(&["cancel", ID, "--api", &server.url()])
        .exits(2)
        .complains_of("404: Refused: too odd");
}

#[test]
fn bad_requests_never_reach_the_api() {
    let root = root();
    root.write("empty/readme", "");
    root.write("half/1.in", "");
    root.write("not.json", "{");
    root.write(
        "typo.json",
        r#"{"test_cases": [{"id": 1, "expected_output": ""}], "timeout": 5}"#,
    );
    root.write(
        "twice.json",
        r#"{"test_cases": [{"id": 1, "input": "a", "expected_output": "", "input": "b"}]}"#,
    );
    root.write(
        "endless.json",
        r#"[{"id": 1, "expected_output": "", "points": 1e400}]"#,
    );
    root.write("ordered.json", r#"[[1, "a", null, "b"]]"#);
    root.write("number.json", "5");
    let server = Server::start(|_| (200, languages()));
    let url = server.url();
    let bad = [
        (vec!["a.py", "--tests", "missing"], "missing"),
        (vec!["gone.py", "--tests", "tests"], "gone.py"),
        (vec!["a.py", "--tests", "empty"], "no test cases"),
        (vec!["a.py", "--tests", "half"], "1.in"),
        (vec!["a.py", "--tests", "not.json"], "not JSON"),
        (vec!["a.py", "--tests", "typo.json"], "`timeout`"),
        (
            vec!["a.py", "--tests", "twice.json"],
            "twice.json: test_cases[0]: duplicate field `input`",
        ),
        (
            vec!["a.py", "--tests", "endless.json"],
            "endless.json: [0].points: number out of range",
        ),
        (vec!["a.py", "--tests", "ordered.json"], "[0]: invalid type"),
        (vec!["a.py", "--tests", "number.json"], "does not hold an array"),
        (
            vec![
                "a.py",
                "--tests",
                "tests",
                "--checker",
                r#"{"type": "float", "abs_tolerance": "x"}"#,
            ],
            "abs_tolerance: invalid type",
        ),
        (
            vec![
                "a.py",
                "--tests",
                "tests",
                "--checker",
                r#"{"type": "exact", "type": "lines"}"#,
            ],
            "duplicate field `type`",
        ),
        (
            vec!["a.py", "a.py", "--tests", "tests"],
            "two files are called a.py",
        ),
        (vec!["a.py", "--tests", "tests", "--checker", "fuzzy"], "fuzzy"),
        (vec!["tests/1.in", "--tests", "tests"], "--language"),
    ];
    for (args, part) in bad {
        root.run(&[&["submit", "--api", &url][..], &args].concat())
            .exits(2)
            .complains_of(part);
    }
    assert!(
        server
            .requests()
            .iter()
            .all(|request| request.line == "GET /languages")
    );
    root.run(&["status", "no-id", "--api", &url]).exits(2);
    root.run(&["queues", "--api", "ftp://x"])
        .exits(2)
        .complains_of("ftp://x");
}

#[test]
fn an_api_that_is_not_there_is_a_fault_of_the_system() {
    let root = root();
    // Bound and dropped: nobody listens there.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let url = format!("http://127.0.0.1:{port}");
    root.run(&["queues", "--api", &url]).exits(3).complains_of(&url);
    let stranger = Server::start(|_| (200, json!("hello")));
    root.run(&["queues", "--api", &stranger.url()])
        .exits(3)
        .complains_of("does not answer as Optimus does");
}

#[test]
fn queues_are_shown_as_they_are() {
    let root = root();
    let queue = json!({
        "language": "python", "waiting": 10, "interactive": 1, "normal": 2, "batch": 3, "delayed": 4, "running": 5,
        "dead": 6, "workers": 1, "slots": 8, "busy": 7,
    });
    let answer = json!({"queues": [queue]});
    let server = Server::start(move |_| (200, answer.clone()));
    let shown = root.run(&["queues", "--api", &server.url()]).exits(0).stdout();
    assert!(shown.contains("python") && shown.contains("7 of 8"), "{shown}");
    assert_eq!(
        root.run(&["queues", "--json", "--api", &server.url()])
            .exits(0)
            .json(),
        json!([queue])
    );
}

#[test]
fn waiting_goes_on_until_the_job_has_ended() {
    let root = root();
    let asked = std::sync::atomic::AtomicU32::new(0);
    let server = Server::start(move |_| {
        let running = asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst) < 3;
        (
            200,
            if running {
                record("running", None)
            } else {
                record("completed", Some("accepted"))
            },
        )
    });
    let began = Instant::now();
    root.run(&["status", ID, "--wait", "--api", &server.url()])
        .exits(0);
    assert_eq!(server.requests().len(), 4);
    // A server that answers at once is not asked again at once.
    assert!(began.elapsed() >= Duration::from_secs(3));
    assert!(server.requests()[0].line.contains("?wait="));
}

#[test]
fn what_a_server_says_moves_no_cursor() {
    let evil = "\u{1b}[2J\u{202e}\u{9b}1m\nerror: all is well";
    let server = Server::start(move |_| {
        let problem = json!({"title": evil, "status": 400, "detail": evil, "errors": [{"field": evil, "message": evil}]});
        (400, problem)
    });
    let root = root();
    let api = server.url();
    for args in [
        &["queues"][..],
        &["status", "00000000-0000-0000-0000-000000000000"],
        &["queues", "--json"],
    ] {
        let mut command = root.command(args);
        let ended = Ended(command.env("OPTIMUS_API", &api).output().unwrap());
        let told = ended.stderr();
        assert!(!told.contains(['\u{1b}', '\u{202e}', '\u{9b}']), "{told:?}");
        assert!(told.contains("\\u{1b}[2J\\u{202e}\\u{9b}1m"), "{told:?}");
        assert_eq!(
            told.lines().filter(|line| line.starts_with("error:")).count(),
            1,
            "{told}"
        );
    }
}
