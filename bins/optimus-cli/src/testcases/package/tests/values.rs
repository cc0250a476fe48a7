//! Single values of YAML files: what they are taken for, and which name a refusal has.

use super::*;

/// As everybody reads the refusal: on the line of the command.
fn error(yaml: &str) -> String {
    read(&[("problem.yaml", yaml)]).unwrap_err()
}

#[test]
fn numbers_that_are_none_do_not_vanish() {
    let new = |limits: &str| with(NEW, &format!("limits: {{{limits}}}\n"));
    for number in [".inf", "-.inf", ".nan", "1e999"] {
        for key in [
            "time_limit",
            "time_resolution",
            "compilation_time",
            "memory",
            "output",
            "code",
        ] {
            let error = error(&new(&format!("{key}: {number}")));
            assert!(
                error.starts_with(&format!("problem.yaml: limits: {key}: must be a")),
                "{key}: {number}: {error}"
            );
        }
        let multipliers = new(&format!("time_multipliers: {{ac_to_time_limit: {number}}}"));
        let told = error(&multipliers);
        assert!(told.contains("ac_to_time_limit: must be a number"), "{told}");
        let told = error(&format!("limits: {{time_multiplier: {number}}}"));
        assert!(told.contains("time_multiplier: must be a number"), "{told}");
        for setting in [
            "timeout_ms",
            "memory_limit_mb",
            "checker: {type: float, abs_tolerance",
        ] {
            let close = if setting.contains('{') { "}" } else { "" };
            let told = error(&format!("optimus: {{{setting}: {number}{close}}}"));
            let name = setting.rsplit(' ').next().unwrap();
            assert!(told.starts_with("problem.yaml: optimus: "), "{told}");
            assert!(told.contains(name), "{setting}: {number}: {told}");
        }
    }
}

#[test]
fn words_are_what_was_written() {
    let words = "[1.10, 1e3, 0x10, no, 007, +5, 1_000, True, .5, .inf, -0, 'x y', \"1.0\", 12]";
    let written = [
        "1.10", "1e3", "0x10", "no", "007", "+5", "1_000", "True", ".5", ".inf", "-0", "x y", "1.0", "12",
    ];
    let args = |yaml: &str| {
        let package = read(&[("problem.yaml", NEW), ("data/secret/test_group.yaml", yaml)]);
        package.map(|package| package.settings.args)
    };
    assert_eq!(args(&format!("args: {words}\n")).unwrap(), written);
    let lines = written.join("\n  - ").replace("- 1.0\n", "- \"1.0\"   # text\n");
    assert_eq!(args(&format!("args:\n  - {lines}\n")).unwrap(), written);
    assert_eq!(args("args: 1.10\n").unwrap(), ["1.10"]);
    assert_eq!(
        args("input_validator_args: &once [&half 0.50]\nargs: [*half, é, *half]\n").unwrap(),
        ["0.50", "é", "0.50"],
        "an alias is what it stands for"
    );
    assert_eq!(
        args("# größer\r\nhint: \"é\"\r\nargs:\r\n- ü\r\n- 1.10 # ä\r\n- &x 0.50\r\n").unwrap(),
        ["ü", "1.10", "0.50"],
        "places are counted in bytes"
    );
    assert_eq!(args("\u{feff}args: [1.10]\n").unwrap(), ["1.10"]);
    // What has no text of its own is nobody's guess.
    for unclear in ["[~]", "[null]", "[[x]]", "[{a: b}]", "[!!float \"1.10\"]"] {
        let told = args(&format!("args: {unclear}\n")).unwrap_err();
        assert!(
            told.contains("args: must be a sequence of strings"),
            "{unclear}: {told}"
        );
    }
}

#[test]
fn tolerances_are_read_as_they_were_written() {
    let package = read(&[("problem.yaml", "validator_flags: [float_tolerance, 1.0e-10]")]).unwrap();
    let Some(Checker::Icpc {
        float_absolute_tolerance,
        ..
    }) = package.settings.checker
    else {
        panic!("{:?}", package.settings.checker);
    };
    assert_eq!(float_absolute_tolerance, Some(1e-10));
    refused(
        &[("problem.yaml", "validator_flags: [float_tolerance, 0x10]")],
        "float_tolerance",
    );
}

#[test]
fn our_own_section_is_a_mapping_and_names_what_is_wrong_in_it() {
    for (section, part) in [
        ("[900]", "optimus: "),
        ("900", "optimus: "),
        ("{timeout_ms: soon}", "optimus: timeout_ms: "),
        ("{timeout_ms: 1.5}", "optimus: timeout_ms: "),
        ("{stop_on_failure: 1}", "optimus: stop_on_failure: "),
        ("{checker: [float, 1, 0]}", "optimus: checker: "),
        ("{checker: lines}", "optimus: checker: "),
        (
            "{checker: {type: float, abs_tolerance: x}}",
            "optimus: checker.abs_tolerance: ",
        ),
        ("{checker: {type: {lines: ~}}}", "optimus: checker.type: "),
        ("{checker: {type: lines, tolerance: 1}}", "`tolerance`"),
    ] {
        let told = error(&format!("optimus: {section}"));
        assert!(told.contains(part), "{section}: {told}");
    }
    let package = read(&[("problem.yaml", "optimus:\n")]).unwrap();
    assert_eq!(package.settings.checker, Some(PLAIN), "nothing is said");
}

#[test]
fn deep_nesting_is_refused_and_not_followed() {
    for depth in [1_000, 100_000] {
        let told = error(&format!("name: {}{}", "[".repeat(depth), "]".repeat(depth)));
        assert!(told.starts_with("problem.yaml"), "{told}");
    }
}

#[test]
fn yes_and_no_are_taken_where_the_format_asks_for_them() {
    let yaml = with(NEW, "allow_file_writing: no\n");
    let package = read(&[("problem.yaml", &yaml)]).unwrap();
    assert!(
        package
            .notes
            .iter()
            .any(|note| note.contains("allow_file_writing")),
        "{:?}",
        package.notes
    );
    read(&[
        ("problem.yaml", NEW),
        ("data/secret/1.yaml", "static_validation: no\n"),
    ])
    .unwrap();
}
