//! `build-image` on a real engine, from a plain Debian.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod support;

use std::{env, process};

use support::{Ended, Root};

fn docker(args: &[&str]) -> Ended {
    Ended(
        process::Command::new("docker")
            .args(args)
            .output()
            .expect("this suite needs docker"),
    )
}

/// The plain Debian that `setup.sh` makes or pulls.
fn debian() -> String {
    let base = env::var("OPTIMUS_DEBIAN_BASE").unwrap_or_else(|_| "optimus/debian-base:bookworm".to_owned());
    let found = docker(&["image", "inspect", &base]);
    assert!(
        found.0.status.success(),
        "this suite needs the image {base}; ./setup.sh makes it"
    );
    base
}

#[test]
fn a_language_is_added_built_listed_and_removed() {
    let debian = debian();
    let root = Root::new();
    root.write(
        "dockerfiles/runner.sh",
        "#!/bin/sh\nexec /optimus/optimus-runner\n",
    );
    let name = format!("awk-test-{}", process::id());
    let image = format!("optimus/{name}:5.2");
    let add = [
        "add-lang",
        "--name",
        &name,
        "--ext",
        "awk",
        "--version",
        "5.2",
        "--base-image",
        &debian,
    ];

    let ended = root.run(&add).exits(3).complains_of("optimus-runner is missing");
    assert!(
        ended.stderr().contains(&format!("build-image {name}")),
        "{}",
        ended.stderr()
    );
    root.write(
        "dockerfiles/optimus-runner",
        "#!/bin/sh\nexec cat /optimus/toolchain\n",
    );
    let built = root
        .run(&["build-image", &name, "--base-image", &debian, "--json"])
        .exits(0)
        .json();
    assert_eq!(built[0]["image"], image.as_str());
    assert_eq!(built[0]["base_image"], debian.as_str());

    let ran = docker(&["run", "--rm", "--network", "none", &image]).exits(0);
    assert!(ran.stdout().starts_with("GNU Awk"), "{}", ran.stdout());
    let status = |root: &Root| root.run(&["list-langs", "--json"]).exits(0).json()[0]["image_status"].clone();
    assert_eq!(status(&root), "built");
    let none = root.run(&["build-image", "--missing", "--json"]).exits(0).json();
    assert_eq!(none, serde_json::json!([]));

    // Another agent makes another image.
    root.write("dockerfiles/optimus-runner", "#!/bin/sh\necho new\n");
    let rebuild = ["build-image", "--missing", "--base-image", &debian, "--json"];
    assert_eq!(root.run(&rebuild).exits(0).json()[0]["image"], image.as_str());
    let ran = docker(&["run", "--rm", "--network", "none", &image]).exits(0);
    assert_eq!(ran.stdout(), "new\n");
    assert_eq!(root.run(&rebuild).exits(0).json(), serde_json::json!([]));

    // As a worker does, which holds the image's files.
    let holder = format!("{name}-holder");
    docker(&["create", "--name", &holder, &image]).exits(0);
    root.run(&["remove-lang", &name, "--yes", "--image"])
        .exits(2)
        .complains_of(&format!("is used by {holder}"));
    assert_eq!(root.languages(), [name.as_str()], "nothing was removed");
    docker(&["rm", &holder]).exits(0);
    root.run(&["remove-lang", &name, "--yes", "--image"]).exits(0);
    docker(&["image", "inspect", &image]).exits(1);
}

#[test]
fn a_build_that_fails_shows_its_end() {
    let debian = debian();
    let root = Root::new();
    root.write("dockerfiles/runner.sh", "");
    root.write("dockerfiles/optimus-runner", "");
    let name = format!("broken-test-{}", process::id());
    let ended = root.run(&[
        "add-lang",
        "--name",
        &name,
        "--ext",
        "x",
        "--version",
        "1",
        "--run",
        "true",
        "--base-image",
        &debian,
        "--version-command",
        "echo quoted \\\"$HOME\\\"; exit 7",
    ]);
    let ended = ended.exits(3).complains_of("returned a non-zero code: 7");
    assert!(ended.stderr().contains("VERSION_COMMAND"), "{}", ended.stderr());
    assert_eq!(root.languages(), [name], "the entry stays, to be mended");
}

#[test]
fn one_language_that_cannot_be_built_stops_no_other() {
    let debian = debian();
    let root = Root::new();
    root.write("dockerfiles/runner.sh", "#!/bin/sh\n");
    root.write("agent", "#!/bin/sh\n");
    let agent = root.path().join("agent");
    let run = |args: &[&str]| {
        let mut command = root.command(args);
        command
            .env("OPTIMUS_AGENT", &agent)
            .env("OPTIMUS_DEBIAN_BASE", &debian);
        Ended(command.output().unwrap())
    };
    let id = process::id();
    let (bad, good) = (format!("gone-test-{id}"), format!("awk-two-test-{id}"));
    for name in [&bad, &good] {
        let add = [
            "add-lang",
            "--name",
            name,
            "--ext",
            "awk",
            "--version",
            "5.2",
            "--skip-docker",
        ];
        run(&[&add[..], &["--base-image", &debian]].concat()).exits(0);
    }
    std::fs::remove_file(root.path().join(format!("dockerfiles/{bad}/Dockerfile"))).unwrap();
    std::fs::remove_dir(root.path().join(format!("dockerfiles/{bad}"))).unwrap();
    let built = run(&["build-image", "--missing", "--allow-failures", "--json"])
        .exits(0)
        .complains_of(&format!("cannot read dockerfiles/{bad}"))
        .complains_of(&format!("not built: {bad}"))
        .json();
    assert_eq!(built[0]["language"], good.as_str());
    // The other is there now, and without the word it is a failure.
    run(&["build-image", "--missing"])
        .exits(3)
        .complains_of(&format!("not built: {bad}"));
    docker(&["rmi", &format!("optimus/{good}:5.2")]).exits(0);
}
