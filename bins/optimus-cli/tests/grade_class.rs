//! `grade` with what people really hand in: files that are no programs, problems with files that nobody knows, names that
//! were made to harm.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod support;

use std::{fs, os::unix::fs::symlink};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::{Value, json};
use support::problem::{DOUBLE, Problem, solution};

#[test]
fn one_bad_file_stops_nobody_else() {
    let problem = Problem::new(&[
        ("mine.py", DOUBLE),
        ("LOUD.PY", DOUBLE),
        ("hw.docx", "PK"),
        ("old.py", "#!/usr/bin/env python2\nprint 2 * input()\n"),
        ("wrong.py", "print(input())\n"),
        ("empty/readme.txt", ""),
    ]);
    let ended = problem
        .grade(&[
            "p", "hw.docx", "mine.py", "LOUD.PY", "gone.cpp", "old.py", "empty",
        ])
        .exits(3);
    let text = ended.stdout();
    assert!(text.contains("2 of 6 accepted, 4 not graded"), "{text}");
    for part in [
        "not graded: no language has files like this",
        "not graded: cannot read gone.cpp",
        "asks for Python 2",
    ] {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
    // All of them at once, before the first is graded.
    let told = ended.stderr();
    let graded = told.find("accepted").unwrap();
    for bad in ["hw.docx", "gone.cpp", "old.py", "empty"] {
        let told_first = told.find(&format!("not graded: {bad}: "));
        assert!(told_first.is_some_and(|at| at < graded), "{bad}: {told}");
    }

    // A verdict goes before what could not be graded.
    problem.grade(&["p", "hw.docx", "wrong.py"]).exits(1);
    let report = problem
        .grade(&["p", "hw.docx", "mine.py", "--json"])
        .exits(3)
        .json();
    let bad = solution(&report, "hw.docx");
    assert_eq!(bad["as_expected"], Value::Null);
    assert!(bad["not_graded"].as_str().unwrap().starts_with("no language"));

    // Nobody is left to be graded.
    problem
        .grade(&["p", "hw.docx", "gone.cpp"])
        .exits(2)
        .complains_of("hw.docx: no language")
        .complains_of("gone.cpp: cannot read");
    assert!(!problem.path().join("data").exists());
}

#[test]
fn what_was_handed_in_shows_nothing_of_this_machine_and_holds_up_nobody() {
    let problem = Problem::new(&[
        ("secret", "of this machine"),
        ("mine.py", DOUBLE),
        ("reads/main.py", "print(open('notes.txt').read())\n"),
        ("waits/main.py", DOUBLE),
        ("large/main.py", DOUBLE),
        ("circle/main.py", DOUBLE),
        ("p/submissions/accepted/sum.py", DOUBLE),
        (
            "own/a/b/c/d/e/f/g/h/i/j/help.py",
            "def twice(n):\n    return 2 * n\n",
        ),
        (
            "own/start.py",
            "import sys\nsys.path.append('a/b/c/d/e/f/g/h/i/j')\nfrom help import twice\nprint(twice(int(input())))\n",
        ),
    ]);
    let at = |name: &str| problem.path().join(name);
    symlink("../secret", at("reads/notes.txt")).unwrap();
    symlink("/dev/zero", at("endless.py")).unwrap();
    symlink("p/submissions/accepted/sum.py", at("theirs.py")).unwrap();
    symlink("start.py", at("own/main.py")).unwrap();
    symlink("..", at("circle/up")).unwrap();
    symlink(".", at("circle/again")).unwrap();
    for name in ["waits/pipe", "waits.py"] {
        mknodat(CWD, at(name), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    }
    let sparse = fs::File::create(at("large/data.bin")).unwrap();
    sparse.set_len(30 << 30).unwrap();
    let refused = [
        ("reads", "reads/notes.txt: the link leads out of"),
        ("endless.py", "the link leads out of"),
        ("waits", "waits/pipe: it is neither a file nor a folder"),
        ("waits.py", "it is neither a file nor a folder"),
        ("large", "large/data.bin: 32212254720 bytes with this file"),
        ("circle", "circle/again: "),
    ];
    let mut args = vec!["p", "--json", "mine.py", "own"];
    args.extend(refused.iter().map(|(name, _)| *name));
    let report = problem.grade(&args).exits(3).json();
    for (name, part) in refused {
        let why = solution(&report, name)["not_graded"].as_str().unwrap();
        assert!(why.starts_with(part), "{name}: {why}");
    }
    for name in ["mine.py", "own"] {
        assert_eq!(solution(&report, name)["verdict"], "accepted", "{report:#}");
    }
    assert!(!report.to_string().contains("of this machine"), "{report:#}");
}

/// Its box is ready all the same, and a program's verdict would be the language's.
#[test]
fn nobody_pays_for_a_language_that_does_not_run() {
    let problem = Problem::new(&[
        ("square.py", "n = int(input())\nprint(n * n)\n"),
        ("any.shim", "anything"),
        ("other.shim", "anything else"),
        ("wrong.bpy", "print(1)\n"),
        ("square.bpy", "n = int(input())\nprint(n * n)\n"),
    ]);
    let shipped: Value = serde_json::from_str(include_str!("../../../config/languages.json")).unwrap();
    let python = &shipped["languages"][0];
    let like_python = |name: &str, extension: &str, change: &dyn Fn(&mut Value)| {
        let mut entry = python.clone();
        entry["name"] = json!(name);
        entry["queue_name"] = json!(format!("optimus:queue:{name}"));
        entry["execution"]["file_extension"] = json!(extension);
        entry["execution"]["source_name"] = json!(format!("main{extension}"));
        entry["execution"]["other_extensions"] = json!([]);
        change(&mut entry["execution"]);
        entry
    };
    let languages = json!({"languages": [
        python,
        like_python("shim", ".shim", &|execution| {
            execution["command"] = json!("/bin/sh");
            execution["args"] = json!(["-c", "exec /nowhere/shim \"$0\"", "{source}"]);
            execution.as_object_mut().unwrap().remove("sample");
        }),
        like_python("broken", ".bpy", &|execution| {
            execution["sample"] = json!("import no_such_module_of_anybody\n");
        }),
    ]});
    problem.write(&[
        ("root/config/languages.json", &languages.to_string()),
        ("root/dockerfiles/none", ""),
    ]);
    let mut args = vec!["p", "--root", "root", "--json"];
    args.extend(["square.py", "any.shim", "other.shim", "wrong.bpy"]);
    let report = problem.grade(&args).exits(1).json();
    for (name, part) in [
        (
            "any.shim",
            "shim is not available: its recipe does not run in a box: it ended with code 127",
        ),
        ("other.shim", "shim is not available: "),
        (
            "wrong.bpy",
            "broken is not available: its sample does not run in a box: ",
        ),
    ] {
        let why = solution(&report, name)["not_graded"].as_str().unwrap_or_default();
        assert!(why.starts_with(part), "{name}: {report:#}");
    }
    assert_eq!(solution(&report, "square.py")["verdict"], "wrong_answer");
    // A program that has passed a test shows by itself that it ran.
    let report = problem
        .grade(&["p", "--root", "root", "--json", "square.bpy"])
        .exits(1)
        .json();
    assert_eq!(solution(&report, "square.bpy")["verdict"], "wrong_answer");
    problem.grade(&["p", "--root", "root", "any.shim"]).exits(3);
}

#[test]
fn json_tells_what_a_failed_test_wrote_where_that_is_asked_for() {
    let problem = Problem::new(&[(
        "wrong.py",
        "import sys\nn = int(input())\nprint(n * n)\nprint('why', file=sys.stderr)\nsys.exit(n - 2)\n",
    )]);
    let report = problem
        .grade(&["p", "wrong.py", "--json", "--verbose"])
        .exits(1)
        .json();
    let wrong = solution(&report, "wrong.py");
    for failed in [&wrong["first_failure"], &wrong["results"][1]] {
        assert_eq!(failed["stdout"], "9\n", "{report:#}");
        assert_eq!(failed["stderr"], "why\n");
        assert_eq!(failed["exit_code"], 1);
        assert_eq!(failed["stdout_truncated"], false);
    }
    assert!(
        wrong["results"][0].get("stdout").is_none(),
        "that one is accepted"
    );
    let report = problem.grade(&["p", "wrong.py", "--json"]).exits(1).json();
    assert!(
        solution(&report, "wrong.py")["first_failure"]
            .get("stdout")
            .is_none()
    );
}

#[test]
fn names_that_were_made_to_harm_are_shown_and_do_nothing() {
    let problem = Problem::new(&[
        ("mine.py", DOUBLE),
        ("evil\x1b]0;OWNED\x07.py", DOUBLE),
        ("turned\u{202e}yp.py", "x"),
        ("two\nlines.py", DOUBLE),
        ("q/data/secret/b\x1b]0;OWNED\x07.ans", ""),
        ("k/data/secret/1.in", ""),
        ("k/data/secret/1.ans", ""),
        ("k/problem.yaml", "\"k\\e[2J\\nerror: all is well\": 1\n"),
        ("n/1\x1b[2J.in", "1\n"),
        ("n/1\x1b[2J.ans", "2\n"),
        ("n/odd\x1b[2J.txt", ""),
    ]);
    for (args, code, part) in [
        (&["q", "mine.py"][..], 2, "b\\u{1b}]0;OWNED\\u{7}.ans"),
        (&["k", "mine.py"], 2, "k\\u{1b}[2J"),
        (&["p", "gone\x1b[2J.py"], 2, "gone\\u{1b}[2J.py"),
        (&["p", "mine.py", "--evil\u{202e}\u{9b}2J"], 2, "--evil\\u{202e}"),
        (
            &["p", "mine.py", "evil\x1b]0;OWNED\x07.py"],
            0,
            "evil\\u{1b}]0;OWNED",
        ),
        (
            &["p", "mine.py", "turned\u{202e}yp.py"],
            1,
            "turned\\u{202e}yp.py",
        ),
        (&["n", "mine.py", "turned\u{202e}yp.py"], 1, "odd\\u{1b}[2J.txt"),
        (
            &["p", "mine.py", "two\nlines.py"],
            0,
            "/2 two\\nlines.py: accepted",
        ),
        (
            &["p", "mine.py", "gone\nline.py"],
            3,
            "not graded: gone\\nline.py: ",
        ),
    ] {
        for json in [false, true] {
            let mut args = args.to_vec();
            args.extend(json.then_some("--json"));
            let ended = problem.grade(&args).exits(code);
            let told = format!("{}{}", ended.stdout(), ended.stderr());
            assert!(!told.contains(['\x1b', '\x07', '\u{202e}', '\u{9b}']), "{told:?}");
            assert!(told.contains(part), "{part:?} is not in {told}");
            assert!(
                !told.lines().any(|line| line.starts_with("error: all is well")),
                "{told}"
            );
        }
    }
}

#[test]
fn what_is_passed_over_is_told_beside_the_verdicts() {
    let problem = Problem::new(&[
        ("mine.py", DOUBLE),
        ("n/1.IN", "1\n"),
        ("n/1.OUT", "2\n"),
        ("n/2.ans", "4\n"),
        ("n/testdata.yaml", "output_validator_flags: case_sensitive\n"),
        ("p/data/secret/4.inp", ""),
    ]);
    let ended = problem
        .grade(&["n", "mine.py"])
        .exits(0)
        .complains_of("note: 2.ans: not looked at")
        .complains_of("note: testdata.yaml: not looked at");
    assert!(ended.stdout().contains("1/1"), "{}", ended.stdout());
    let report = problem.grade(&["p", "mine.py", "--json"]).exits(0).json();
    assert_eq!(report["notes"][0], "not looked at: data/secret/4.inp");
}

#[test]
fn who_brings_no_tests_is_told_what_is_looked_for() {
    let problem = Problem::new(&[
        ("mine.py", DOUBLE),
        ("odd/input01.txt", ""),
        ("polygon/problem.xml", ""),
        ("polygon/tests/01", ""),
        ("hollow/data/secret/readme", ""),
    ]);
    for (folder, part) in [
        ("odd", "a test is NAME.in with NAME.ans or NAME.out"),
        ("polygon", "a package of Polygon"),
        ("hollow", "none of data/sample and data/secret"),
    ] {
        problem.grade(&[folder, "mine.py"]).exits(2).complains_of(part);
    }
}

/// Each key holds in the groups below until one of them says it anew.
#[test]
fn keys_of_a_group_are_inherited_one_by_one() {
    let problem = Problem::new(&[(
        "p/submissions/accepted/half.py",
        "a, b = map(int, input().split())\nprint(a / b)\n",
    )]);
    fs::remove_dir_all(problem.path().join("p/data")).unwrap();
    problem.write(&[
        ("p/problem.yaml", "name: x\nlimits: {time_limit: 1}\n"),
        (
            "p/data/testdata.yaml",
            "output_validator_flags: float_tolerance 1e-4\n",
        ),
        ("p/data/secret/testdata.yaml", "on_reject: break\n"),
        ("p/data/secret/1.in", "1 2\n"),
        ("p/data/secret/1.ans", "0.50001\n"),
    ]);
    problem.grade(&["p", "--all"]).exits(0);
}

#[test]
fn an_answer_without_an_input_is_refused_by_name() {
    let problem = Problem::new(&[
        ("p/submissions/accepted/double.py", DOUBLE),
        ("p/data/secret/2.IN", "9 9\n"),
        ("p/data/secret/2.ans", "18\n"),
    ]);
    problem.grade(&["p", "--all"]).exits(2).complains_of("2.IN");
    fs::remove_file(problem.path().join("p/data/secret/2.IN")).unwrap();
    problem
        .grade(&["p", "--all"])
        .exits(2)
        .complains_of("2.ans: there is no 2.in");
}
