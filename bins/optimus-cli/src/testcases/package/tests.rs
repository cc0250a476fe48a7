//! Small packages of each version.

use std::fs;

use optimus_common::checker::Checker;
use tempfile::TempDir;

use super::*;

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    folder
}

/// A package of one test, and these files.
fn read(files: &[(&str, &str)]) -> Result<Package, String> {
    let folder = folder(&[("data/secret/1.in", "in\n"), ("data/secret/1.ans", "out\n")]);
    for (name, content) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    Package::read(folder.path()).map_err(|failure| {
        // Without the folder's own name, which may hold any word.
        failure
            .to_string()
            .replace(&folder.path().display().to_string(), "")
    })
}

fn refused(files: &[(&str, &str)], part: &str) {
    let error = read(files).unwrap_err();
    assert!(error.contains(part), "{part:?} is not in {error:?}");
}

const PLAIN: Checker = Checker::Icpc {
    case_sensitive: false,
    space_change_sensitive: false,
    float_absolute_tolerance: None,
    float_relative_tolerance: None,
};
const NEW: &str = "problem_format_version: 2025-09\nname: X\nuuid: u\n";
const DRAFT: &str = "problem_format_version: 2023-07-draft\nname: X\nuuid: u\n";

fn with(head: &str, rest: &str) -> String {
    format!("{head}{rest}")
}

#[test]
fn a_legacy_package_is_read() {
    let package = read(&[
        (
            "problem.yaml",
            "name: Sum\nauthor: A\nkeywords: a b\nvalidation: default\nvalidator_flags: case_sensitive float_tolerance 1e-4\n\
             limits:\n  time_multiplier: 3\n  time_safety_margin: 2\n  memory: 64\n  output: 2\n  code: 1\n  \
             compilation_time: 7\n  validation_time: 60\n",
        ),
        ("data/sample/1.in", "1\n"),
        ("data/sample/1.ans", "2\n"),
        ("output_validators/unused.py", ""),
    ])
    .unwrap();
    assert_eq!(package.name.as_deref(), Some("Sum"));
    assert_eq!(package.names, ["sample/1", "secret/1"]);
    assert_eq!(package.cases[1].input(), b"in\n");
    assert_eq!(package.cases[1].expected_output(), b"out\n");
    assert_eq!(
        package.settings,
        Settings {
            memory_limit_mb: Some(64),
            output_limit_bytes: Some(2 << 20),
            compile_timeout_ms: Some(7000),
            checker: Some(Checker::Icpc {
                case_sensitive: true,
                space_change_sensitive: false,
                float_absolute_tolerance: Some(1e-4),
                float_relative_tolerance: Some(1e-4),
            }),
            ..Settings::default()
        }
    );
    assert_eq!(package.code_bytes, Some(1024));
    assert_eq!(package.time_limit_from, None);
    assert_eq!(package.time_rule.limit_ms(1), 1000);
    assert_eq!(package.time_rule.limit_ms(400), 2000, "3 times 0.4 s, rounded up");
}

#[test]
fn limits_beyond_all_bounds_are_not_small_ones() {
    let package = read(&[(
        "problem.yaml",
        "limits: {output: 17592186044417, code: 18014398509481985, time_limit: 1e300}",
    )])
    .unwrap();
    assert_eq!(package.settings.output_limit_bytes, Some(u64::MAX));
    assert_eq!(package.code_bytes, Some(u64::MAX));
    assert_eq!(package.settings.timeout_ms, Some(u64::MAX));
}

#[test]
fn aliases_of_aliases_do_not_multiply() {
    let keys = ["author", "source", "license", "keywords", "rights_owner"];
    let levels = (1..).zip(keys).map(|(level, key)| {
        let below = format!("*a{}, ", level - 1).repeat(9);
        format!("{key}: &a{level} [{below}]\n")
    });
    let yaml = format!("name: &a0 [{}]\n{}", "x, ".repeat(9), levels.collect::<String>());
    refused(&[("problem.yaml", &yaml)], "alias");
}

#[cfg(unix)]
#[test]
fn links_in_circles_do_not_multiply() {
    let folder = folder(&[("data/secret/1.in", ""), ("data/secret/1.ans", "")]);
    for n in 0..8 {
        std::os::unix::fs::symlink(".", folder.path().join(format!("data/secret/{n}"))).unwrap();
    }
    let error = Package::read(folder.path()).unwrap_err().to_string();
    assert!(error.contains("links make more than"), "{error}");
}

#[test]
fn a_package_that_says_nothing_has_the_formats_defaults() {
    let package = read(&[("problem.yaml", "# nothing\nlimits:\n")]).unwrap();
    assert_eq!(package.settings.checker, Some(PLAIN));
    assert_eq!(package.time_rule.limit_ms(401), 3000);
    assert_eq!(package.time_rule.limit_ms(0), 1000);
    assert_eq!(read(&[]).unwrap().settings.checker, Some(PLAIN));
}

#[test]
fn a_new_package_is_read() {
    let yaml = with(
        NEW,
        "type: [pass-fail]\nallow_file_writing: true\nlanguages: all\nconstants: {n: 5}\nlimits:\n  time_limit: 1.5\n  \
         time_multipliers: {ac_to_time_limit: 1.5, time_limit_to_tle: 2}\n  time_resolution: 0.1\n  memory: 512\n",
    );
    let group =
        "args: [--fast, '{{m}}', 7]\noutput_validator_args: [float_tolerance, 1e-6]\nfull_feedback: false\n";
    let package = read(&[
        (
            "problem.yaml",
            &yaml.replace("name: X", "name:\n  sv: Y\n  en: Z"),
        ),
        ("data/secret/test_group.yaml", group),
        ("data/secret/1.yaml", "description: easy\n"),
        ("data/secret/1.png", ""),
        ("data/secret/1.out", "not looked at"),
        ("data/invalid_input/1.in", ""),
    ])
    .unwrap();
    assert_eq!(package.name.as_deref(), Some("Z"));
    assert_eq!(package.settings.timeout_ms, Some(1500));
    assert_eq!(package.time_limit_from, Some("problem.yaml: limits: time_limit"));
    assert_eq!(package.settings.memory_limit_mb, Some(512));
    assert_eq!(package.settings.args, ["--fast", "{{m}}", "7"]);
    assert_eq!(
        package.settings.checker,
        Some(Checker::Icpc {
            case_sensitive: false,
            space_change_sensitive: false,
            float_absolute_tolerance: Some(1e-6),
            float_relative_tolerance: Some(1e-6),
        })
    );
    assert_eq!(
        package.time_rule.limit_ms(200),
        300,
        "1.5 times 0.2 s is a multiple of 0.1 s"
    );
    assert_eq!(package.constant_in(b"x = {{n}}"), Some("n"));
    assert_eq!(package.constant_in(b"x = {{m}} {n}"), None);
}

#[test]
fn tests_are_in_the_order_of_their_names_and_groups() {
    let mut files = vec![("problem.yaml", "")];
    let names = [
        "sample/2",
        "sample/10",
        "secret/b",
        "secret/b-c",
        "secret/a/2",
        "secret/a/10",
        "secret/a-b",
        "secret/.hidden",
    ];
    let paths: Vec<_> = names
        .iter()
        .flat_map(|name| [format!("data/{name}.in"), format!("data/{name}.ans")])
        .collect();
    files.extend(paths.iter().map(|path| (path.as_str(), "")));
    assert_eq!(
        read(&files).unwrap().names,
        [
            "sample/10",
            "sample/2",
            "secret/1",
            "secret/a/10",
            "secret/a/2",
            "secret/a-b",
            "secret/b",
            "secret/b-c",
        ]
    );
}

#[test]
fn our_own_section_goes_first() {
    let package = read(&[(
        "problem.yaml",
        "validation: custom\nlimits: {memory: 64, output: 1}\noptimus:\n  timeout_ms: 900\n  memory_limit_mb: 32\n  \
         checker: {type: lines}\n  stop_on_failure: true\n",
    )])
    .unwrap();
    assert_eq!(package.settings.checker, Some(Checker::Lines));
    assert_eq!(package.settings.timeout_ms, Some(900));
    assert_eq!(package.settings.memory_limit_mb, Some(32));
    assert_eq!(package.settings.output_limit_bytes, Some(1 << 20));
    assert!(package.settings.stop_on_failure);
}

#[test]
fn time_limits_are_found_where_tools_write_them() {
    let limit = |files: &[(&str, &str)]| read(files).unwrap().settings.timeout_ms;
    let (file, ini) = (
        (".timelimit", "3\n"),
        ("domjudge-problem.ini", "name = x\ntimelimit = '2.5'\n"),
    );
    assert_eq!(limit(&[file]), Some(3000));
    assert_eq!(limit(&[file, ini]), Some(2500));
    assert_eq!(
        limit(&[file, ini, ("problem.yaml", "limits: {time_limit: 2}")]),
        Some(2000)
    );
    refused(&[(".timelimit", "soon")], ".timelimit");
    refused(&[("problem.yaml", "limits: {time_limit: 0}")], "time_limit");
}

#[test]
fn what_cannot_be_honoured_is_refused_by_name() {
    let new = |rest: &str| with(NEW, rest);
    for (yaml, part) in [
        ("validation: custom".to_owned(), "validation: custom"),
        ("validation: custom interactive".to_owned(), "interactive"),
        ("validation: custom score".to_owned(), "score"),
        ("validation: sometimes".to_owned(), "sometimes"),
        ("validator_flags: float_tolerance".to_owned(), "float_tolerance"),
        ("validator_flags: fuzzy".to_owned(), "fuzzy"),
        ("type: scoring".to_owned(), "scoring"),
        (new("type: interactive"), "interactive"),
        (new("type: [multi-pass]"), "multi-pass"),
        (new("type: submit-answer"), "submit-answer"),
        (new("validation: custom"), "validation"),
        (new("validator_flags: case_sensitive"), "validator_flags"),
        (new("limits: {time_multiplier: 5}"), "time_multiplier"),
        (new("limits: {memory: much}"), "memory"),
        ("limits: {time_multipliers: {}}".to_owned(), "time_multipliers"),
        ("limits: 5".to_owned(), "limits"),
        ("colour: red".to_owned(), "colour"),
        ("optimus: {timeout: 5}".to_owned(), "`timeout`"),
        ("problem_format_version: 2031-01".to_owned(), "2031-01"),
        ("[".to_owned(), "problem.yaml"),
    ] {
        refused(&[("problem.yaml", &yaml)], part);
    }
    let (new, draft) = (("problem.yaml", NEW), ("problem.yaml", DRAFT));
    for (files, part) in [
        (&[new, ("output_validator/v.py", "")][..], "output_validator"),
        (&[draft, ("output_validators/v.py", "")], "output_validators"),
        (&[new, ("static_validator/v.py", "")], "static_validator"),
        (&[("include/cpp/main.cpp", "")], "include"),
        (&[("data/secret/1.files/a.txt", "")], "1.files"),
        (&[("data/secret/2.in", "")], "2.ans"),
        (&[("data/testdata.yaml", "grading: custom")], "grading"),
        (
            &[("data/testdata.yaml", "grader_flags: accept_if_any_accepted")],
            "accept_if_any",
        ),
        (
            &[(
                "data/testdata.yaml",
                "output_validator_flags: {name: v, flags: x}",
            )],
            "output_validator_flags",
        ),
        (&[("data/testdata.yaml", "no_such_key: 1")], "no_such_key"),
        (
            &[new, ("data/secret/test_group.yaml", "max_score: 5")],
            "max_score",
        ),
        (
            &[draft, ("data/secret/test_group.yaml", "scoring: {score: 1}")],
            "scoring",
        ),
        (&[new, ("data/secret/1.yaml", "score: 1")], "score"),
        (&[new, ("data/secret/testdata.yaml", "")], "testdata.yaml"),
        (&[("data/secret/test_group.yaml", "")], "test_group.yaml"),
        (
            &[
                new,
                (
                    "data/secret/test_group.yaml",
                    "output_validator_args: [case_sensitive]",
                ),
                ("data/sample/1.in", ""),
                ("data/sample/1.ans", ""),
            ],
            "different output validator's arguments",
        ),
        (
            &[
                new,
                ("data/secret/1.yaml", "args: [x]"),
                ("data/secret/2.in", ""),
                ("data/secret/2.ans", ""),
            ],
            "different args",
        ),
    ] {
        refused(files, part);
    }
    let constant = with(NEW, "constants: {eps: 1e-6}\n");
    refused(
        &[
            ("problem.yaml", &constant),
            (
                "data/secret/test_group.yaml",
                "output_validator_args: [float_tolerance, '{{eps}}']",
            ),
        ],
        "eps",
    );
}

#[test]
fn groups_inherit_as_far_as_the_version_says() {
    let group = [("data/secret/g/1.in", ""), ("data/secret/g/1.ans", "")];
    let folder = |yaml, files: &[(&str, &str)]| {
        let folder = folder(&group);
        for (name, content) in files.iter().chain(&[("problem.yaml", yaml)]) {
            let path = folder.path().join(name);
            fs::write(path, content).unwrap();
        }
        Package::read(folder.path()).map(|package| package.settings.checker)
    };
    let sensitive = Some(Checker::Icpc {
        case_sensitive: true,
        space_change_sensitive: false,
        float_absolute_tolerance: None,
        float_relative_tolerance: None,
    });
    let above = "output_validator_args: case_sensitive";
    let beside = ("data/secret/g/test_group.yaml", "full_feedback: true");
    // By each key, from the closest group that has it.
    let inherited = folder(DRAFT, &[("data/secret/test_group.yaml", above), beside]);
    assert_eq!(inherited.unwrap(), sensitive);
    // Groups stand for themselves.
    let unclear = folder(NEW, &[("data/secret/test_group.yaml", above)]);
    assert!(unclear.unwrap_err().to_string().contains("does not say"));
    let own = folder(NEW, &[("data/secret/g/test_group.yaml", above)]);
    assert_eq!(own.unwrap(), sensitive);
    // Key by key, too.
    let above = "output_validator_flags: case_sensitive";
    let inherited = folder("", &[("data/testdata.yaml", above)]);
    assert_eq!(inherited.unwrap(), sensitive);
    let replaced = [
        ("data/testdata.yaml", above),
        ("data/secret/testdata.yaml", "on_reject: continue"),
    ];
    assert_eq!(folder("", &replaced).unwrap(), sensitive);
    let nearer = [
        ("data/testdata.yaml", above),
        ("data/secret/testdata.yaml", "output_validator_flags: ''"),
    ];
    assert_eq!(folder("", &nearer).unwrap(), Some(PLAIN));
}

mod passed_over;
mod values;

mod submissions {
    use super::*;

    fn listed(format: PackageFormat, files: &[(&str, &str)]) -> (TempDir, Submissions) {
        let folder = folder(files);
        let submissions = Submissions::read(folder.path(), format).unwrap();
        (folder, submissions)
    }

    fn labels(listed: &[ListedProgram]) -> Vec<(&str, String)> {
        listed
            .iter()
            .map(|listed| {
                let source = fs::read(&listed.path).unwrap_or_default();
                let expectation = listed.expectation(std::iter::once(&source[..])).unwrap();
                (listed.name.as_str(), expectation.label)
            })
            .collect()
    }

    #[test]
    fn folders_and_tags_say_what_is_expected() {
        let (_folder, submissions) = listed(
            PackageFormat::Legacy,
            &[
                ("submissions/accepted/a.py", "# @EXPECTED_RESULTS@: WRONG-ANSWER"),
                ("submissions/accepted/several/main.py", ""),
                ("submissions/accepted/__pycache__/a.pyc", ""),
                ("submissions/accepted/.gitignore", ""),
                (
                    "submissions/mixed/b.py",
                    "# @EXPECTED_RESULTS@: CORRECT, TIMELIMIT",
                ),
                ("submissions/mixed/c.py", ""),
                ("submissions/rejected/d.py", ""),
                ("submissions/partially_accepted/e.py", ""),
                ("submissions/lost.py", ""),
                ("submissions/rejected/-b.py", ""),
            ],
        );
        let (programs, left_out) = submissions.all().unwrap();
        let is = [
            ("accepted/a.py", "accepted"),
            ("accepted/several", "accepted"),
            ("mixed/b.py", "accepted or time_limit_exceeded"),
            ("mixed/c.py", "mixed"),
            ("rejected/d.py", "rejected"),
        ];
        assert_eq!(
            labels(&programs),
            is.map(|(name, label)| (name, label.to_owned()))
        );
        assert_eq!(left_out.len(), 3, "{left_out:?}");
        for (told, name) in left_out
            .iter()
            .zip(["lost.py", "partially_accepted", "rejected/-b.py"])
        {
            assert!(told.contains(name), "{left_out:?}");
        }
    }

    #[test]
    fn what_submissions_yaml_says_of_nobody_is_told() {
        let yaml = ("submissions/submissions.yaml", "acepted/*:\n  permitted: [AC]\n");
        let files = [yaml, ("submissions/accepted/a.py", "")];
        for (format, part) in [
            (PackageFormat::Of2025, "acepted/*: no program"),
            (PackageFormat::Legacy, "this version of the format has none"),
        ] {
            let (_folder, submissions) = listed(format, &files);
            let (_, left_out) = submissions.all().unwrap();
            assert!(left_out.len() == 1 && left_out[0].contains(part), "{left_out:?}");
        }
    }

    #[test]
    fn a_named_program_is_found_in_its_folder() {
        let (folder, submissions) = listed(
            PackageFormat::Legacy,
            &[("submissions/wrong_answer/a.py", ""), ("b.py", "")],
        );
        let at = |name: &str| submissions.at(&folder.path().join(name));
        assert_eq!(
            at("submissions/wrong_answer/../wrong_answer/a.py").unwrap().name,
            "wrong_answer/a.py"
        );
        assert!(at("b.py").is_none() && at("gone.py").is_none());
    }

    #[test]
    fn submissions_yaml_adds_to_the_folders_rules() {
        let yaml = "\
time_limit_exceeded:\n  permitted: [AC, WA, TLE]\n\
accepted/*.py:\n  language: python3\n  authors: A <a@b.example>\n\
accepted/{slow,slower}.py:\n  use_for_time_limit: false\n\
accepted/several:\n  entrypoint: start.py\n\
mixed/a.py:\n  sample:\n    permitted: [AC]\n  secret/*-hard:\n    permitted: [AC, TLE]\n    required: [TLE]\n";
        let (_folder, submissions) = listed(
            PackageFormat::Of2025,
            &[
                ("submissions/submissions.yaml", yaml),
                ("submissions/accepted/slow.py", ""),
                ("submissions/accepted/several/start.py", ""),
                ("submissions/mixed/a.py", "# @EXPECTED_RESULTS@: CORRECT"),
                ("submissions/time_limit_exceeded/b.py", ""),
            ],
        );
        let (programs, left_out) = submissions.all().unwrap();
        assert!(left_out.is_empty(), "{left_out:?}");
        let [several, slow, mixed, tle] = &programs[..] else {
            panic!("{programs:?}")
        };
        assert_eq!(several.entry_point.as_deref(), Some("start.py"));
        assert_eq!(slow.language.as_deref(), Some("python3"));
        let rules = |listed: &ListedProgram| listed.expectation(std::iter::empty()).unwrap();
        assert!(rules(several).bounds_time());
        assert!(
            rules(slow).bounds_time(),
            "accepted itself still says so: each pattern opts out for itself"
        );
        let Expectation {
            of: rules::Of::Tests(scoped),
            ..
        } = rules(mixed)
        else {
            panic!("{mixed:?}")
        };
        assert_eq!(scoped.len(), 3, "anything at all, and two parts");
        let Expectation {
            of: rules::Of::Tests(tle),
            ..
        } = rules(tle)
        else {
            panic!("{tle:?}")
        };
        assert_eq!(
            (tle.len(), tle[0].permitted.len(), tle[0].required.len()),
            (1, 3, 1)
        );
    }

    #[test]
    fn what_submissions_yaml_asks_for_and_nobody_checks_is_refused() {
        for (yaml, part) in [
            ("accepted/*: {message: hello}", "message"),
            ("accepted/*: {score: 5}", "score"),
            ("accepted/*: {permitted: [OLE]}", "permitted"),
            ("accepted/*: {sample: {language: c}}", "language"),
            ("accepted/*: {use_for_time_limit: maybe}", "use_for_time_limit"),
            ("accepted/*: {colour: red}", "colour"),
            ("accepted/*: [AC]", "no mapping"),
        ] {
            let folder = folder(&[("submissions/submissions.yaml", yaml)]);
            let error = Submissions::read(folder.path(), PackageFormat::Of2023)
                .unwrap_err()
                .to_string();
            assert!(error.contains(part), "{part}: {error}");
            // The older versions know no such file.
            Submissions::read(folder.path(), PackageFormat::Legacy).unwrap();
        }
    }
}
