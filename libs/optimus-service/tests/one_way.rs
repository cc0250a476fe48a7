//! An error is logged in one way: as the field `error`, with all its causes. `%error` leaves the causes out, and so does
//! `&error as &dyn Error` in logs of JSON.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::{
    fs,
    path::{Path, PathBuf},
};

const OTHER_WAYS: [&str; 6] = [
    "%error",
    "?error,",
    "error = &error as",
    "error = error as",
    "reason = causes(",
    "cause = causes(",
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn an_error_is_logged_with_its_causes_everywhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut found = Vec::new();
    for group in ["bins", "libs"] {
        for member in fs::read_dir(root.join(group)).unwrap() {
            sources(&member.unwrap().path().join("src"), &mut found);
        }
    }
    assert!(found.len() > 100, "{found:?}");
    let mut others = Vec::new();
    for path in found {
        let text = fs::read_to_string(&path).unwrap();
        for (number, line) in (1..).zip(text.lines()) {
            let is_binding = line.trim_start().starts_with("let ");
            if !is_binding && OTHER_WAYS.iter().any(|way| line.contains(way)) {
                others.push(format!("{}:{number}: {}", path.display(), line.trim()));
            }
        }
    }
    assert!(
        others.is_empty(),
        "write error = causes(…):\n{}",
        others.join("\n")
    );
}
