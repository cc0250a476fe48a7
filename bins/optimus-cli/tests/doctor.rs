//! `doctor` on this machine: to root, who has every layer, and to a user who has not.

#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use std::{
    os::unix::{fs::PermissionsExt, process::CommandExt},
    process::Command,
};

use serde_json::{Value, json};

use crate::support::{Ended, Root, server::Server};

fn layers(report: &Value) -> Vec<(&str, &str)> {
    let layers = report["native"]["layers"].as_array().unwrap();
    layers
        .iter()
        .map(|layer| (layer["name"].as_str().unwrap(), layer["state"].as_str().unwrap()))
        .collect()
}

/// By a user with no rights and no UIDs of its own to give away.
fn as_nobody(root: &Root, args: &[&str]) -> Ended {
    let binary = root.path().join("optimus-cli");
    // Once: what makes boxes may still be running when its command has ended.
    if !binary.exists() {
        optimus_testkit::executable::copy(env!("CARGO_BIN_EXE_optimus-cli"), &binary);
    }
    std::fs::set_permissions(root.path(), PermissionsExt::from_mode(0o777)).unwrap();
    let mut command = Command::new(binary);
    command
        .args(args)
        .current_dir(root.path())
        .env("OPTIMUS_ROOT", root.path())
        .uid(65534)
        .gid(65534);
    Ended(command.output().unwrap())
}

fn add_python(root: &Root) {
    let add = "add-lang --name python --ext py --version 3.12 --skip-docker";
    root.run(&add.split(' ').collect::<Vec<_>>()).exits(0);
}

#[test]
fn every_layer_is_proved_to_root() {
    let root = Root::new();
    let ended = root.run(&["doctor", "--json"]).exits(0);
    let report = ended.json();
    assert_eq!(report["native"]["possible"], true);
    let layers = layers(&report);
    assert!(layers.len() > 10, "{layers:?}");
    for (name, state) in layers {
        assert_eq!(state, "proved", "{name}");
    }
    let text = root.run(&["doctor"]).exits(0).stdout();
    for part in [
        "seccomp",
        "cgroup-memory",
        "proved",
        "native boxes",
        "Docker",
        "Redis",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
}

#[test]
fn who_lacks_a_layer_is_told_what_to_do_about_it() {
    let root = Root::new();
    let ended = as_nobody(&root, &["doctor", "--json"]).exits(6);
    let report = ended.json();
    assert_eq!(report["native"]["possible"], false);
    let layers = layers(&report);
    for name in ["guest-uids", "cgroup-memory", "cgroup-pids", "cgroup-cpu"] {
        assert!(layers.contains(&(name, "missing")), "{name}: {layers:?}");
    }
    for layer in report["native"]["layers"].as_array().unwrap() {
        for field in ["detail", "remedy", "stops"] {
            assert!(!layer[field].as_str().unwrap().is_empty(), "{layer:#}");
        }
    }
    let text = as_nobody(&root, &["doctor"]).exits(6).stdout();
    assert!(text.contains("--add-subuids"), "{text}");
    let line = as_nobody(&root, &["doctor", "-q"]).exits(6).stdout();
    assert!(
        line.starts_with("native boxes not possible, 0 of 0 languages"),
        "{line}"
    );
    assert_eq!(line.lines().count(), 1, "{line}");

    // Who would start says the same, and does not.
    add_python(&root);
    let serve = [
        "serve",
        "--backend",
        "native",
        "--port",
        "0",
        "--data-dir",
        "data",
    ];
    as_nobody(&root, &serve)
        .exits(3)
        .complains_of("guest-uids is missing")
        .complains_of("--add-subuids");
}

#[test]
fn not_everything_can_be_allowed_to_be_missing() {
    let root = Root::new();
    let all = "guest-uids,cgroup-memory,cgroup-pids,cgroup-cpu,private-devices";
    let ended = as_nobody(&root, &["doctor", "--json", "--allow-missing", all]).exits(6);
    let summary = ended.json()["native"]["summary"].as_str().unwrap().to_owned();
    assert!(
        summary.contains("neither a control group nor UIDs"),
        "without any of these, guests cannot be told apart: {summary}"
    );
}

#[test]
fn what_is_no_layer_cannot_be_allowed_to_be_missing() {
    let root = Root::new();
    root.run(&["doctor", "--allow-missing", "landlok"])
        .exits(2)
        .complains_of("landlok");
    root.run(&["serve", "--allow-missing", "seccomp", "--data-dir", "data"])
        .exits(2)
        .complains_of("seccomp");
    assert!(!root.path().join("data").exists());
}

#[test]
fn languages_are_told_with_what_they_lack() {
    let root = Root::new();
    add_python(&root);
    root.run(&[
        "add-lang",
        "--name",
        "imaginary",
        "--ext",
        "im",
        "--version",
        "1",
        "--skip-docker",
        "--run",
        "no-such-interpreter {source}",
        "--base-image",
        "imaginary:1",
        "--version-command",
        "no-such-interpreter --version",
    ])
    .exits(0);
    let report = root.run(&["doctor", "--json"]).exits(0).json();
    let languages = report["languages"].as_array().unwrap();
    assert_eq!(languages[0]["available"], true, "{languages:#?}");
    assert!(languages[0]["toolchain"].as_str().unwrap().contains("Python"));
    assert_eq!(languages[1]["available"], false, "{languages:#?}");
    assert!(
        languages[1]["reason"]
            .as_str()
            .unwrap()
            .contains("no-such-interpreter")
    );
}

/// That every program knows `--version` is a guess of ours, and dash does not.
#[test]
fn a_program_that_does_not_tell_its_version_is_available_all_the_same() {
    let root = Root::new();
    let mut add: Vec<_> = "add-lang --name dashed --ext psh --version 1 --skip-docker --base-image debian"
        .split(' ')
        .collect();
    add.extend(["--run", "dash {source}"]);
    root.run(&add).exits(0);
    let report = root.run(&["doctor", "--json"]).exits(0).json();
    let dashed = &report["languages"][0];
    assert_eq!(dashed["available"], true, "{report:#}");
    let toolchain = dashed["toolchain"].as_str().unwrap();
    assert!(toolchain.ends_with("/dash"), "{toolchain}");

    add.extend(["--force", "--version-command", "dash --version"]);
    root.run(&add).exits(0);
    let report = root.run(&["doctor", "--json"]).exits(0).json();
    let reason = report["languages"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("--version-command"), "{reason}");
}

/// An interpreter that says its version is not yet one that runs programs.
#[test]
fn a_language_is_available_only_where_a_program_of_it_has_run_in_a_box() {
    let root = Root::new();
    add_python(&root);
    let mut entries: Value = serde_json::from_str(&root.read("config/languages.json")).unwrap();
    let mut broken = entries["languages"][0].clone();
    broken["name"] = json!("broken");
    broken["queue_name"] = json!("optimus:queue:broken");
    broken["execution"]["sample"] = json!("import no_such_module_of_anybody\n");
    entries["languages"].as_array_mut().unwrap().push(broken);
    root.write("config/languages.json", entries.to_string());

    let report = root.run(&["doctor", "--json"]).exits(0).json();
    let [python, broken] = &report["languages"].as_array().unwrap()[..] else {
        panic!("{report:#}")
    };
    assert_eq!(python["available"], true, "{report:#}");
    assert_eq!(broken["available"], false, "{report:#}");
    assert!(
        broken["reason"]
            .as_str()
            .unwrap()
            .contains("no_such_module_of_anybody")
    );
    let line = root.run(&["doctor", "-q"]).exits(0).stdout();
    assert!(
        line.starts_with("native boxes possible, 1 of 2 languages available"),
        "{line}"
    );

    // Where there are no boxes, nothing can have run in one.
    let report = as_nobody(&root, &["doctor", "--json"]).exits(6).json();
    for language in report["languages"].as_array().unwrap() {
        assert_eq!(language["available"], false, "{report:#}");
        assert!(language["reason"].as_str().unwrap().contains("no native box"));
    }
}

#[test]
fn an_engine_that_cannot_look_at_an_image_is_reachable_all_the_same() {
    let docker = Server::start(|request| {
        if request.line.contains("/images/") {
            return (500, json!({"message": "the image is damaged"}));
        }
        (
            200,
            json!({"Version": "29.0.0", "ApiVersion": "1.41", "MinAPIVersion": "1.24", "Os": "linux", "Arch": "amd64"}),
        )
    });
    let root = Root::new();
    add_python(&root);
    let mut command = root.command(&["doctor", "--json"]);
    command.env("DOCKER_HOST", docker.url().replace("http:", "tcp:"));
    let report = Ended(command.output().unwrap()).json();
    assert_eq!(report["docker"]["reachable"], true, "{report:#}");
    assert!(report["docker"]["detail"].as_str().unwrap().contains("29.0.0"));
    let requests = docker.requests();
    assert!(requests.iter().any(|request| request.line.contains("/images/")));
}

#[test]
fn an_engine_in_which_no_box_can_be_made_is_refused_by_its_name() {
    let podman = Server::start(|_| {
        (
            200,
            json!({
                "Components": [{"Name": "Podman Engine", "Version": "4.3.1"}, {"Name": "Conmon", "Version": "2.1.6"}],
                "Version": "4.3.1", "ApiVersion": "1.41", "MinAPIVersion": "1.24", "Os": "linux", "Arch": "amd64",
            }),
        )
    });
    let root = Root::new();
    add_python(&root);
    let run = |args: &[&str]| {
        let mut command = root.command(args);
        Ended(
            command
                .env("DOCKER_HOST", podman.url().replace("http:", "tcp:"))
                .output()
                .unwrap(),
        )
    };
    let report = run(&["doctor", "--json"]).json();
    assert_eq!(report["docker"]["reachable"], false, "{report:#}");
    assert!(report["docker"]["detail"].as_str().unwrap().contains("Podman"));
    run(&["build-image", "python"]).exits(3).complains_of("Podman");
    run(&[
        "serve",
        "--backend",
        "docker",
        "--port",
        "0",
        "--data-dir",
        "data",
    ])
    .exits(3)
    .complains_of("it is Podman");
}
