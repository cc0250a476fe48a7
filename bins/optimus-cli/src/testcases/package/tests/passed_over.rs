//! No test and no key of a package vanishes without a word.

use super::*;

/// What is told of a package of one test and these files.
fn told(files: &[(&str, &str)]) -> Vec<String> {
    read(files).unwrap().notes
}

#[track_caller]
fn tells(files: &[(&str, &str)], part: &str) {
    let notes = told(files);
    assert!(
        notes.len() == 1 && notes[0].contains(part),
        "{part:?} alone is not in {notes:?}"
    );
}

#[test]
fn a_usual_package_is_told_nothing_of() {
    let notes = told(&[
        (
            "problem.yaml",
            "name: X\nauthor: A\nlimits: {memory: 64, validation_time: 60}\n",
        ),
        (
            "domjudge-problem.ini",
            "[x]\n; words\nname = x\ntimelimit=1\ncolor=#ff0000\n",
        ),
        ("data/secret/1.desc", "easy"),
        ("data/secret/1.png", ""),
        ("data/sample/2.interaction", ""),
        ("data/invalid_input/1.in", ""),
        ("data/.DS_Store", ""),
        ("data/secret/._1.in", ""),
        ("problem_statement/problem.tex", ""),
        ("README.md", ""),
    ]);
    assert!(notes.is_empty(), "{notes:?}");
}

#[test]
fn what_belongs_to_no_test_is_refused() {
    let new = ("problem.yaml", NEW);
    for (files, part) in [
        (&[("data/secret/2.ans", ""), ("data/secret/2.IN", "")][..], "2.IN"),
        (&[("data/secret/2.ans", "")], "2.ans: there is no 2.in"),
        (&[("data/secret/g/2.Ans", "")], "2.Ans: the format has .in"),
        (&[("data/secret/2.in", ""), ("data/secret/2.out", "")], "2.ans"),
        (
            &[new, ("data/secret/2.yaml", "args: [x]")],
            "2.yaml: there is no 2.in",
        ),
        (
            &[("data/2.in", ""), ("data/2.ans", "")],
            "data/sample and data/secret",
        ),
        (&[("data/secret/1/2/3/4/5/6/7/8/9/x.in", "")], "folders deep"),
    ] {
        refused(files, part);
    }
}

#[test]
fn what_nobody_knows_is_told() {
    let new = ("problem.yaml", NEW);
    for (files, part) in [
        (
            &[("data/secret/2.inp", "")][..],
            "not looked at: data/secret/2.inp",
        ),
        (&[("data/secret/1.yaml", "args: [x]")], "data/secret/1.yaml"),
        (&[("data/secret/2.hint", "")], "data/secret/2.hint"),
        (&[("data/secret/.2.in", "")], "data/secret/.2.in"),
        (&[("data/secret/.in", "")], "data/secret/.in"),
        (&[("data/secret/-2.in", "")], "data/secret/-2.in"),
        (&[("data/testdata.yml", "")], "data/testdata.yml"),
        (&[("data/Secret/1.in", "")], "data/Secret: not looked at"),
        (
            &[("Problem.yaml", "")],
            "Problem.yaml: not looked at; the format has problem.yaml",
        ),
        (&[("problem.yml", "")], "problem.yml"),
        (&[("output_validators/v.py", "")], "output_validators/: not run"),
        (&[("static_validator/v.py", "")], "static_validator/: not run"),
        (&[("graders/g.py", "")], "graders/: not run"),
        (&[new, ("graders/g.py", "")], "graders/: not run"),
        (&[("domjudge-problem.ini", "Timelimit=3")], "Timelimit"),
        (
            &[("data/testdata.yaml", "accept_score: 5")],
            "data/testdata.yaml: accept_score",
        ),
        (&[("problem.yaml", "languages: java python")], "languages"),
        (&[("problem.yaml", "grading: {objective: min}")], "grading"),
        (&[("problem.yaml", "libraries: gmp")], "libraries"),
        (
            &[("problem.yaml", "limits: {compilation_memory: 5}")],
            "limits: compilation_memory",
        ),
        (
            &[("problem.yaml", "limits: {time_safety_margin: 3}")],
            "time_safety_margin",
        ),
    ] {
        tells(files, part);
    }
    let yaml = with(new.1, "limits: {time_multipliers: {time_limit_to_tle: 2}}\n");
    tells(&[("problem.yaml", &yaml)], "time_limit_to_tle");
    let yaml = with(new.1, "allow_file_writing: false\n");
    tells(&[("problem.yaml", &yaml)], "allow_file_writing");
}

#[test]
fn what_cannot_be_read_is_not_taken_for_nothing() {
    for name in [
        "problem.yaml",
        "domjudge-problem.ini",
        ".timelimit",
        "data/testdata.yaml",
        "data/secret/testdata.yaml",
    ] {
        refused(&[(&format!("{name}/x"), "")], name);
    }
    refused(&[("data/sample", "../other/sample")], "data/sample");
    refused(&[("problem.yaml", NEW), ("data/secret/1.yaml/x", "")], "1.yaml");
    refused(
        &[("problem.yaml", NEW), ("data/testdata.yaml/x", "")],
        "testdata.yaml",
    );
    let folder = folder(&[("submissions/submissions.yaml/x", "")]);
    let error = Submissions::read(folder.path(), PackageFormat::Of2025).unwrap_err();
    assert!(error.to_string().contains("submissions.yaml"), "{error}");
}

#[test]
#[cfg(unix)]
fn links_that_lead_nowhere_are_not_taken_for_nothing() {
    for name in [
        "problem.yaml",
        "domjudge-problem.ini",
        "data/testdata.yaml",
        "data/secret",
    ] {
        let folder = folder(&[("data/sample/1.in", ""), ("data/sample/1.ans", "")]);
        std::os::unix::fs::symlink("nowhere", folder.path().join(name)).unwrap();
        let error = Package::read(folder.path()).unwrap_err().to_string();
        assert!(error.contains(name), "{name}: {error}");
    }
}

#[test]
fn a_byte_order_mark_hides_no_key() {
    let limit = |files: &[(&str, &str)]| {
        let package = read(files).unwrap();
        (package.settings.timeout_ms, package.settings.memory_limit_mb)
    };
    assert_eq!(
        limit(&[("domjudge-problem.ini", "\u{feff}timelimit=2\r\n")]),
        (Some(2000), None)
    );
    assert_eq!(limit(&[(".timelimit", "\u{feff}3\n")]), (Some(3000), None));
    assert_eq!(
        limit(&[("problem.yaml", "\u{feff}limits: {memory: 64, time_limit: 1}")]),
        (Some(1000), Some(64))
    );
    assert_eq!(limit(&[("problem.yaml", "\u{feff}# nothing")]), (None, None));
    let group = (
        "data/testdata.yaml",
        "\u{feff}output_validator_flags: case_sensitive",
    );
    assert_ne!(read(&[group]).unwrap().settings.checker, Some(PLAIN));
    let folder = folder(&[(
        "submissions/submissions.yaml",
        "\u{feff}accepted/*: {message: hello}",
    )]);
    let error = Submissions::read(folder.path(), PackageFormat::Of2025).unwrap_err();
    assert!(error.to_string().contains("message"), "{error}");
}

#[test]
fn domjudges_file_is_read_as_domjudge_reads_it() {
    let ini = |text: &str| read(&[("domjudge-problem.ini", text)]);
    assert_eq!(
        ini("timelimit=1\ntimelimit=\"2\"").unwrap().settings.timeout_ms,
        Some(2000)
    );
    for text in [
        "timelimit = 2 ; two seconds",
        "timelimit='2' ; two",
        "name = \"a;b\"\ntimelimit=2;",
        "name = a\rtimelimit = 2\r",
    ] {
        assert_eq!(ini(text).unwrap().settings.timeout_ms, Some(2000), "{text:?}");
    }
    for (text, part) in [
        ("timelimit =", "the time limit \"\""),
        ("timelimit = 1,5", "1,5"),
        ("special_compare=cmp", "special_compare"),
        ("special_run = 'run'", "special_run"),
        ("timelimit", "is no key with a value"),
    ] {
        let error = ini(text).unwrap_err();
        assert!(error.contains(part), "{error}");
    }
    let checker = ("problem.yaml", "optimus: {checker: {type: lines}}");
    read(&[("domjudge-problem.ini", "special_compare=cmp"), checker]).unwrap();
}

#[test]
fn output_validator_flags_are_words_or_name_a_validator() {
    let flags = |yaml: &str| read(&[("data/testdata.yaml", yaml)]).map(|package| package.settings.checker);
    let sensitive = flags("output_validator_flags: case_sensitive").unwrap();
    for same in [
        "output_validator_flags: [case_sensitive]",
        "output_validator_flags: {flags: case_sensitive}",
        "output_validator_flags: {name: default, flags: [case_sensitive]}",
    ] {
        assert_eq!(flags(same).unwrap(), sensitive, "{same}");
    }
    assert_eq!(
        flags("output_validator_flags: {name: default}").unwrap(),
        Some(PLAIN)
    );
    for (yaml, part) in [
        ("{name: other, flags: case_sensitive}", "other cannot be run"),
        ("{flag: case_sensitive}", "flag"),
        ("[[case_sensitive]]", "sequence of strings"),
    ] {
        let error = flags(&format!("output_validator_flags: {yaml}")).unwrap_err();
        assert!(error.contains(part), "{error}");
    }
    // The newer versions know sequences alone.
    let group = ("data/secret/test_group.yaml", "output_validator_args: {flags: x}");
    refused(
        &[("problem.yaml", NEW), group],
        "output_validator_args: must be a sequence",
    );
    refused(
        &[("problem.yaml", "validator_flags: {flags: x}")],
        "validator_flags: must be a sequence",
    );
}

#[test]
fn keys_that_stand_there_twice_and_second_documents_are_refused() {
    for (yaml, part) in [
        ("limits: {memory: 64}\nlimits: {memory: 128}\n", "limits"),
        ("limits: {memory: 64, memory: 128}\n", "memory"),
        ("name: X\n---\nlimits: {memory: 64}\n", "problem.yaml"),
    ] {
        refused(&[("problem.yaml", yaml)], part);
    }
    refused(
        &[("data/testdata.yaml", "on_reject: never")],
        "on_reject: knows break",
    );
    read(&[("data/testdata.yaml", "on_reject: continue")]).unwrap();
}
