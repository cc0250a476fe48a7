//! The container engine, seen from outside.

use std::process::{Command, Output};

fn docker(args: &[&str]) -> Output {
    Command::new("docker")
        .args(args)
        .output()
        .expect("the docker command is needed")
}

/// Whether the engine has this image.
pub(crate) fn has_image(image: &str) -> bool {
    docker(&["image", "inspect", image]).status.success()
}

/// Ids of all containers of an installation, whatever their state.
pub(crate) fn containers(scope: &str) -> Vec<String> {
    list(scope, "{{.ID}}")
}

/// The workers they belong to.
pub(crate) fn owners(scope: &str) -> Vec<String> {
    list(scope, r#"{{.Label "optimus.worker"}}"#)
}

fn list(scope: &str, format: &str) -> Vec<String> {
    let filter = format!("label=optimus.scope={scope}");
    let found = docker(&[
        "ps",
        "--all",
        "--no-trunc",
        "--filter",
        &filter,
        "--format",
        format,
    ]);
    assert!(
        found.status.success(),
        "the container engine does not answer: {found:?}"
    );
    String::from_utf8(found.stdout)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect()
}

/// Kills every container of an installation, behind the worker's back.
pub(crate) fn kill_all(scope: &str) {
    for container in containers(scope) {
        // One that is gone meanwhile needs no killing.
        docker(&["kill", &container]);
    }
}

pub(crate) fn remove_all(scope: &str) {
    for container in containers(scope) {
        docker(&["rm", "--force", &container]);
    }
}
