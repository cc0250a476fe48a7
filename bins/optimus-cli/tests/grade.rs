//! `grade` against packages, with a store, workers and native boxes of its own.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod support;

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::Path,
    process::Stdio,
};

use rustix::process::{Pid, Signal, kill_process};
use support::problem::{DOUBLE, Problem, solution};

const DOUBLE_C: &str =
    "#include <stdio.h>\nint main(void) { int n; scanf(\"%d\", &n); printf(\"%d\\n\", 2 * n); }\n";
const SQUARE: &str = "print(int(input()) ** 2)\n";
const ENDLESS: &str = "while True:\n    pass\n";

#[test]
fn every_program_of_a_package_is_checked_against_its_folder() {
    let problem = Problem::new(&[
        (
            "p/problem.yaml",
            "name: Double\nlimits: {memory: 128, time_limit: 1}\n",
        ),
        ("p/submissions/accepted/double.py", DOUBLE),
        ("p/submissions/accepted/double.c", DOUBLE_C),
        (
            "p/submissions/accepted/several/main.py",
            "from half import n\nprint(2 * n)\n",
        ),
        ("p/submissions/accepted/several/half.py", "n = int(input())\n"),
        ("p/submissions/wrong_answer/square.py", SQUARE),
        ("p/submissions/time_limit_exceeded/endless.py", ENDLESS),
        ("p/submissions/run_time_error/syntax.py", "print(\n"),
        ("p/submissions/rejected/square.py", SQUARE),
        (
            "p/submissions/mixed/square.py",
            "# @EXPECTED_RESULTS@: CORRECT, WRONG-ANSWER\nprint(int(input()) ** 2)\n",
        ),
        // In a folder of no meaning, and without a tag.
        ("p/submissions/mixed/other.py", SQUARE),
        (
            "p/submissions/compile_error/type.c",
            "int main(void) { return x; }\n",
        ),
    ]);
    let ended = problem.grade(&["p", "--all"]).exits(0);
    let text = ended.stdout();
    for part in [
        "Double: 2 tests, 1000 ms of CPU time each (problem.yaml: limits: time_limit), native boxes",
        "accepted/several",
        "wrong_answer: ok",
        "accepted or wrong_answer: ok",
        "mixed: ok",
        "secret/1-three",
        "10 of 10 as expected",
        // What the compiler says, shown without being asked for.
        "compile_error/type.c:",
    ] {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
    assert!(ended.stderr().contains("10/10 "), "{}", ended.stderr());

    let report = problem
        .grade(&["p", "--all", "--language", "c", "--json"])
        .exits(0)
        .json();
    assert_eq!(report["solutions"].as_array().unwrap().len(), 2, "{report:#}");
    let double = solution(&report, "accepted/double.c");
    assert_eq!(double["verdict"], "accepted");
    assert_eq!(double["expected"], "accepted");
    assert_eq!(double["as_expected"], true);
    assert_eq!(double["results"][1]["name"], "secret/1-three");
    assert_eq!(
        solution(&report, "compile_error/type.c")["verdict"],
        "compilation_error"
    );
}

#[test]
fn a_wrong_program_that_is_accepted_fails_its_package() {
    let problem = Problem::new(&[
        ("p/submissions/accepted/double.py", DOUBLE),
        ("p/submissions/wrong_answer/square.py", SQUARE),
    ]);
    problem.grade(&["p", "--all", "--timeout-ms", "2000"]).exits(0);
    fs::remove_dir_all(problem.path().join("p/data/secret")).unwrap();
    let ended = problem.grade(&["p", "--all", "--timeout-ms", "2000"]).exits(1);
    let text = ended.stdout();
    assert!(
        text.contains("NOT OK") && text.contains("no test is WA"),
        "{text}"
    );
    assert!(text.contains("1 of 2 as expected, 1 not as expected"), "{text}");
}

#[test]
fn named_programs_have_to_be_accepted_unless_something_else_is_expected_of_them() {
    let problem = Problem::new(&[
        ("mine.py", DOUBLE),
        ("yours.c", DOUBLE_C),
        (
            "loud.py",
            "import sys\nn = int(input())\nprint(n * n)\nsys.stderr.write('\\x1b[2Jhow')\n",
        ),
        ("p/submissions/wrong_answer/square.py", SQUARE),
    ]);
    let ended = problem.grade(&["p", "mine.py", "yours.c"]).exits(0);
    let text = ended.stdout();
    assert!(
        text.contains("2 of 2 accepted") && text.contains("the default"),
        "{text}"
    );

    problem
        .grade(&["p", "p/submissions/wrong_answer/square.py"])
        .exits(0);

    let ended = problem.grade(&["p", "mine.py", "loud.py", "--verbose"]).exits(1);
    let text = ended.stdout();
    for part in [
        "secret/1-three: token 1 in line 1 differs",
        "loud.py, secret/1-three: wrong answer",
        "input     3",
        "expected  6",
        "got       9",
        "stderr    \\u{1b}[2Jhow",
    ] {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
    assert!(!text.contains('\u{1b}'));
}

#[test]
fn the_time_limit_follows_from_the_accepted_programs() {
    let problem = Problem::new(&[
        ("p/problem.yaml", "limits: {time_multiplier: 2}\n"),
        ("p/submissions/accepted/double.py", DOUBLE),
        ("p/submissions/time_limit_exceeded/endless.py", ENDLESS),
    ]);
    let report = problem.grade(&["p", "--all", "--json"]).exits(0).json();
    let from = report["time_limit_from"].as_str().unwrap();
    assert!(
        from.starts_with("2 x the ") && from.contains("accepted/double.py"),
        "{from}"
    );
    let slowest = solution(&report, "accepted/double.py")["slowest_cpu_time_ms"]
        .as_u64()
        .unwrap();
    let seconds = (2 * slowest).div_ceil(1000).max(1);
    assert_eq!(report["time_limit_ms"], seconds * 1000);
    let endless = solution(&report, "time_limit_exceeded/endless.py");
    assert_eq!(endless["first_failure"]["verdict"], "time_limit_exceeded");
}

#[test]
fn our_examples_are_as_they_should_be() {
    let problem = Problem::new(&[]);
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    for name in ["sum", "coins", "polygon", "anagrams"] {
        let folder = examples.join(name);
        let folder = folder.to_str().unwrap();
        let text = problem
            .grade(&[folder, "--all", "--language", "python,c"])
            .exits(0)
            .stdout();
        assert!(text.contains(" as expected"), "{text}");
    }
}

#[test]
fn what_cannot_be_graded_is_refused_before_anything_starts() {
    let problem = Problem::new(&[
        ("mine.py", DOUBLE),
        ("unknown.xyz", ""),
        ("plain/1.in", ""),
        ("plain/1.out", ""),
        ("empty/readme", ""),
        ("custom/problem.yaml", "validation: custom\n"),
        ("custom/data/secret/1.in", ""),
        ("custom/data/secret/1.ans", ""),
        (
            "interactive/problem.yaml",
            "problem_format_version: 2025-09\nname: X\nuuid: u\ntype: interactive\n",
        ),
        ("interactive/data/secret/1.in", ""),
        ("interactive/data/secret/1.ans", ""),
    ]);
    for (args, part) in [
        (&["custom", "mine.py"][..], "validation: custom"),
        (&["interactive", "mine.py"], "interactive"),
        (&["p", "gone.py"], "gone.py"),
        (
            &["p", "mine.py", "--timeout-ms", "999999999"],
            "error: --timeout-ms: timeout_ms is 999999999",
        ),
        (&["p", "unknown.xyz"], "unknown.xyz"),
        (&["gone", "mine.py"], "cannot read gone: "),
        (&["mine.py", "mine.py"], "mine.py is no folder"),
        (&["p", "mine.py", "--language", "klingon"], "klingon"),
        (&["p", "--all"], "submissions"),
        (&["plain", "--all"], "plain"),
        (&["empty", "mine.py"], "no test cases"),
        (&["p"], "SOLUTION"),
        (&["p", "mine.py", "--all"], "--all"),
    ] {
        problem.grade(args).exits(2).complains_of(part);
        assert!(!problem.path().join("data").exists(), "{args:?}");
    }
    problem.grade(&["plain", "mine.py"]).exits(1);
}

#[test]
fn a_program_without_a_language_is_no_success() {
    let problem = Problem::new(&[
        ("p/submissions/accepted/double.py", DOUBLE),
        ("p/submissions/accepted/double.xyz", ""),
    ]);
    let ended = problem.grade(&["p", "--all", "--timeout-ms", "2000"]).exits(3);
    let text = ended.stdout();
    assert!(text.contains("1 of 2 as expected, 1 not graded"), "{text}");
    problem
        .grade(&["p", "--all", "--timeout-ms", "2000", "--language", "python"])
        .exits(0);
}

#[test]
fn an_interrupt_cancels_and_leaves_nothing_behind() {
    let problem = Problem::new(&[("mine.py", DOUBLE), ("endless.py", ENDLESS)]);
    let mut child = problem
        .command(&[
            "p",
            "mine.py",
            "endless.py",
            "--jobs",
            "1",
            "--timeout-ms",
            "60000",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    // Then the other one is next.
    while !line.starts_with("1/2 mine.py: accepted") {
        line.clear();
        assert!(stderr.read_line(&mut line).unwrap() > 0, "it ended before");
    }
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(4));
    let mut stdout = String::new();
    child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
    assert_eq!(stdout, "");
    problem.assert_nothing_is_left();
}
