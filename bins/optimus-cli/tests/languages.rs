//! `add-lang`, `remove-lang`, `list-langs`: what they write, and that they never corrupt it.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod support;

use std::{fs, path::Path, process::Command};

use support::{Ended, Root};

fn add(root: &Root, name: &str, ext: &str, more: &[&str]) -> Ended {
    let args = [
        "add-lang",
        "--name",
        name,
        "--ext",
        ext,
        "--version",
        "1.0",
        "--skip-docker",
    ];
    root.run(&[&args[..], more].concat())
}

/// Name and extension of every preset.
fn presets() -> Vec<(String, String)> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("presets.toml")).unwrap();
    let file: toml::Table = text.parse().unwrap();
    let text = |value: &toml::Value| value.as_str().unwrap().to_owned();
    let presets = file["language"].as_array().unwrap();
    presets
        .iter()
        .map(|preset| {
            (
                text(&preset["name"]),
                text(&preset["execution"]["file_extension"]),
            )
        })
        .collect()
}

#[test]
fn every_preset_needs_nothing_but_name_extension_and_version() {
    let root = Root::new();
    let presets = presets();
    assert!(presets.len() >= 20);
    for (name, extension) in &presets {
        add(&root, name, extension, &[]).exits(0);
        let dockerfile = root.read(&format!("dockerfiles/{name}/Dockerfile"));
        for part in [
            "ARG BASE_IMAGE=",
            "COPY runner.sh optimus-runner",
            "ENTRYPOINT [\"/optimus/runner.sh\"]",
        ] {
            assert!(dockerfile.contains(part), "{name}: {dockerfile}");
        }
    }
    let names: Vec<_> = presets.into_iter().map(|(name, _)| name).collect();
    assert_eq!(root.languages(), names, "in the order they were added");
    let listed = root.run(&["list-langs", "--json"]).exits(0).json();
    assert_eq!(listed.as_array().unwrap().len(), names.len());
}

#[test]
fn the_file_stays_readable_for_people() {
    let root = Root::new();
    add(&root, "go", "go", &[]).exits(0);
    let text = root.read("config/languages.json");
    assert!(
        text.starts_with("{\n  \"languages\": [\n    {\n      \"name\": \"go\",\n"),
        "{text}"
    );
    assert!(text.ends_with("}\n"));
}

#[test]
fn what_was_asked_for_wins_over_the_preset() {
    let root = Root::new();
    let more = [
        "--memory",
        "1g",
        "--cpu",
        "1.5",
        "--compile",
        "g++ -std=c++20 '-DNAME=a b' -o .optimus/main {sources}",
        "--base-image",
        "gcc:13",
        "--debian-packages",
        "g++-12, libc6-dev",
        "--version-command",
        "g++-12 --version",
    ];
    let language = {
        let args = [
            "--json",
            "add-lang",
            "--name",
            "cpp20",
            "--ext",
            "cpp",
            "--version",
            "13",
            "--skip-docker",
        ];
        root.run(&[&args[..], &more].concat()).exits(0).json()
    };
    assert_eq!(language["memory_limit_mb"], 1024);
    assert_eq!(language["cpu_limit"], 1.5);
    assert_eq!(language["image"], "optimus/cpp20:13");
    assert_eq!(language["queue_name"], "optimus:queue:cpp20");
    assert_eq!(
        language["execution"]["compile"],
        serde_json::json!([
            "g++",
            "-std=c++20",
            "-DNAME=a b",
            "-o",
            ".optimus/main",
            "{sources}"
        ])
    );
    assert_eq!(
        language["execution"]["command"], "./.optimus/main",
        "the rest of the recipe is that of its extension"
    );
    assert_eq!(language["build"]["base_image"], "gcc:13");
    assert_eq!(
        language["build"]["debian_packages"],
        serde_json::json!(["g++-12", "libc6-dev"])
    );
}

#[test]
fn a_compile_step_of_ones_own_leaves_its_program_where_the_preset_looks_for_it() {
    let root = Root::new();
    let elsewhere = ["--compile", "g++ -o main {sources}"];
    add(&root, "cpp20", "cpp", &elsewhere)
        .exits(2)
        .complains_of(".optimus/main");
    assert!(root.languages().is_empty());
    add(
        &root,
        "cpp20",
        "cpp",
        &[&elsewhere[..], &["--run", "./main"]].concat(),
    )
    .exits(0);
}

#[test]
fn a_language_never_heard_of_needs_its_recipe() {
    let root = Root::new();
    add(&root, "brainfuck", "bf", &[])
        .exits(2)
        .complains_of("--run is needed");
    add(&root, "brainfuck", "bf", &["--run", "bf {source}"])
        .exits(2)
        .complains_of("--debian-packages is needed");
    assert!(root.languages().is_empty());
    add(
        &root,
        "brainfuck",
        "bf",
        &["--run", "bf {source}", "--debian-packages", "bf"],
    )
    .exits(0);
    let entry: serde_json::Value = serde_json::from_str(&root.read("config/languages.json")).unwrap();
    let execution = &entry["languages"][0]["execution"];
    assert_eq!(execution["command"], "bf");
    assert_eq!(execution["args"], serde_json::json!(["{source}"]));
    assert_eq!(execution["source_name"], "main.bf");
    assert!(
        root.read("dockerfiles/brainfuck/Dockerfile")
            .contains("ARG DEBIAN_PACKAGES=\"bf\"")
    );
}

#[test]
fn bad_input_is_named_and_changes_nothing() {
    let root = Root::new();
    let before = root.read("config/languages.json");
    add(&root, "../etc", "py", &[]).exits(2).complains_of("../etc");
    add(&root, "Python", "py", &[])
        .exits(2)
        .complains_of("is no language name");
    add(&root, "python", "p/y", &[]).exits(2).complains_of("--ext");
    add(&root, "python", "py", &["--memory", "much"])
        .exits(2)
        .complains_of("--memory");
    add(&root, "python", "py", &["--cpu", "-1"]).exits(2);
    add(&root, "python", "py", &["--run", "python3 'x"])
        .exits(2)
        .complains_of("--run");
    add(&root, "python", "py", &["--debian-packages", "python3;reboot"])
        .exits(2)
        .complains_of("python3;reboot");
    root.run(&["remove-lang", "python", "--yes"])
        .exits(2)
        .complains_of("there is no language python");
    root.run(&["build-image", "python"])
        .exits(2)
        .complains_of("there is no language python");
    root.run(&["build-image"]).exits(2);
    root.run(&["frobnicate"]).exits(2);
    assert_eq!(root.read("config/languages.json"), before);
    assert_eq!(fs::read_dir(root.path().join("dockerfiles")).unwrap().count(), 0);
}

#[test]
fn a_placeholder_that_is_none_is_refused_and_a_recipe_without_a_source_is_noted() {
    let root = Root::new();
    let base = ["--base-image", "debian:bookworm-slim"];
    let add_foo = |more: &[&str]| add(&root, "foo", "foo", &[more, &base].concat());
    for (option, more) in [
        ("--run: {src} ", &["--run", "foo {src}"][..]),
        ("--run: {file} ", &["--run", "{file}"]),
        (
            "--compile: {memory} ",
            &["--run", "foo {source}", "--compile", "fooc -m{memory}"],
        ),
    ] {
        add_foo(more)
            .exits(2)
            .complains_of(option)
            .complains_of("{source}, {entry_point}, {sources}, {memory_mb}");
    }
    assert!(root.languages().is_empty());
    add_foo(&["--run", "foo -x"])
        .exits(0)
        .complains_of("neither --run nor --compile names {source}");
    for run in ["foo {source}", "foo main.foo", "awk -f {source} '{ print }'"] {
        let added = add_foo(&["--run", run, "--force"]).exits(0);
        assert!(!added.stderr().contains("neither"), "{}", added.stderr());
    }
}

#[test]
fn what_would_be_left_as_it_is_is_refused() {
    let root = Root::new();
    let (gcc, odd) = (["--base-image", "gcc"], ["--base-image", "a b"]);
    for (told, base, more) in [
        (
            "--compile: {sources} stands for whole arguments",
            gcc,
            &["--run", "./x", "--compile", "cc -o x {sources}x"][..],
        ),
        (
            "--run: {entry_point} stands for whole arguments",
            gcc,
            &["--run", "foo --entry={entry_point}"],
        ),
        (
            "--base-image: \"a b\" is no image's name",
            odd,
            &["--run", "foo {source}"],
        ),
    ] {
        add(&root, "foo", "foo", &[more, &base].concat())
            .exits(2)
            .complains_of(told);
    }
    assert!(root.languages().is_empty());
}

#[test]
fn a_damaged_file_is_reported_and_left_alone() {
    let root = Root::new();
    for damaged in [
        "{\"languages\": [",
        "{\"languages\": [], \"extra\": 1}",
        "{\"languages\": [{\"name\": \"x\"}]}",
    ] {
        root.write("config/languages.json", damaged);
        add(&root, "go", "go", &[])
            .exits(2)
            .complains_of("languages.json");
        assert_eq!(root.read("config/languages.json"), damaged);
    }
}

#[test]
fn nothing_of_somebodys_own_is_overwritten_unless_forced() {
    let root = Root::new();
    add(&root, "go", "go", &[]).exits(0);
    add(&root, "go", "go", &[]).exits(2).complains_of("--force");
    root.run(&["remove-lang", "go", "--yes"]).exits(0);
    root.write("dockerfiles/go/Dockerfile", "FROM mine\n");
    add(&root, "go", "go", &[])
        .exits(2)
        .complains_of("Dockerfile is there already");
    assert!(root.languages().is_empty());
    assert_eq!(root.read("dockerfiles/go/Dockerfile"), "FROM mine\n");
    add(&root, "go", "go", &["--force"]).exits(0);
    assert!(root.read("dockerfiles/go/Dockerfile").contains("golang"));
}

#[test]
fn removing_takes_what_adding_wrote_and_nothing_else() {
    let root = Root::new();
    add(&root, "java", "java", &[]).exits(0);
    add(&root, "go", "go", &[]).exits(0);
    root.write("dockerfiles/go/notes.txt", "mine");
    root.run(&["remove-lang", "java"]).exits(2).complains_of("--yes");
    assert_eq!(root.languages(), ["java", "go"]);
    root.run(&["remove-lang", "java", "-y"]).exits(0);
    assert!(!root.path().join("dockerfiles/java").exists());
    root.run(&["remove-lang", "go", "-y"]).exits(0);
    let left: Vec<_> = fs::read_dir(root.path().join("dockerfiles/go"))
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(left, ["notes.txt"]);
    assert!(root.languages().is_empty());
}

#[test]
fn many_at_once_lose_no_edit_and_readers_never_see_a_part() {
    let root = Root::new();
    let names: Vec<_> = (0..24).map(|i| format!("lang{i}")).collect();
    let doomed: Vec<_> = (0..6).map(|i| format!("doomed{i}")).collect();
    for name in &doomed {
        add(&root, name, "py", &["--run", "true", "--base-image", "x"]).exits(0);
    }
    let adding = names.iter().map(|name| {
        root.command(&[
            "add-lang",
            "--name",
            name,
            "--ext",
            "x",
            "--version",
            "1",
            "--run",
            "true",
            "--base-image",
            "x",
            "--skip-docker",
        ])
    });
    let removing = doomed
        .iter()
        .map(|name| root.command(&["remove-lang", name, "--yes"]));
    let mut running: Vec<_> = adding
        .chain(removing)
        .map(|mut command: Command| command.spawn().unwrap())
        .collect();
    while running
        .iter_mut()
        .any(|process| process.try_wait().unwrap().is_none())
    {
        // Panics on anything that is not the whole file.
        root.languages();
    }
    for mut process in running {
        assert!(process.wait().unwrap().success());
    }
    let mut languages = root.languages();
    let mut expected = names;
    languages.sort();
    expected.sort();
    assert_eq!(languages, expected);
    let mut files: Vec<_> = fs::read_dir(root.path().join("config"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    files.sort();
    assert_eq!(
        files,
        ["languages.json", "languages.json.lock"],
        "no temporary file is left"
    );
}

#[test]
fn the_root_is_found_from_below_and_by_name() {
    let root = Root::new();
    add(&root, "go", "go", &[]).exits(0);
    let below = root.path().join("dockerfiles/go");
    let elsewhere = tempfile::tempdir().unwrap();
    let listed = |command: &mut Command| {
        let ended = Ended(command.output().unwrap()).exits(0);
        assert_eq!(ended.json()[0]["name"], "go");
    };
    listed(root.command(&["list-langs", "--json"]).current_dir(below));
    listed(
        root.command(&["list-langs", "--json"])
            .current_dir(elsewhere.path())
            .env("OPTIMUS_ROOT", root.path()),
    );
    let lost = root
        .command(&["list-langs"])
        .current_dir(elsewhere.path())
        .output()
        .unwrap();
    Ended(lost).exits(2).complains_of("OPTIMUS_ROOT");
}

#[test]
fn a_machine_without_an_engine_gets_the_language_and_is_told_how_to_run_it() {
    let root = Root::new();
    let add = |name: &str, more: &[&str]| {
        let args = [
            &["add-lang", "--name", name, "--ext", "rb", "--version", "3.1"],
            more,
        ]
        .concat();
        let mut command = root.command(&args);
        Ended(
            command
                .env("DOCKER_HOST", "unix:///no/such.sock")
                .output()
                .unwrap(),
        )
    };
    let ended = add("ruby", &[]).exits(0).complains_of("note: no image was built");
    let text = ended.stdout();
    assert!(
        text.contains("serve takes ruby as soon as") && text.contains("apt-get install ruby"),
        "{text}"
    );
    assert!(text.contains("build-image ruby"), "{text}");
    let entry = add("ruby2", &["--json"]).exits(0).json();
    assert_eq!(entry["name"], "ruby2");
    assert_eq!(root.languages(), ["ruby", "ruby2"]);
}
