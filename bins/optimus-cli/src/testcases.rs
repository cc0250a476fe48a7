//! Test cases from folders and files.
//!
//! - [`package`]: a problem's folder, with `data` and `problem.yaml`
//! - [`folder`]: any other folder of `*.in` with `*.ans` or `*.out`
//! - a JSON file: an array of test cases, or a whole submission as `POST /jobs` takes it

mod case;
mod folder;
mod folders_left;
mod loaded;
mod notes;
pub(crate) mod package;
mod settings;
mod text;
mod validate_tree;

use std::{fs, path::Path};

use anyhow::Context;
use optimus_common::submission::TestCase;
use serde_json::Value;

pub(crate) use self::{folders_left::FoldersLeft, loaded::Loaded, package::Package, settings::Settings};
use crate::{
    exit::{Classify, Failure, or_cannot_read},
    json,
};

pub(crate) fn load(path: &Path) -> Result<Loaded, Failure> {
    let loaded = if package::is_package(path) {
        Package::read(path)?.into()
    } else if path.is_dir() {
        folder::load(path)?
    } else {
        from_json(path)?
    };
    if loaded.cases.is_empty() {
        return Err(nothing_in(path));
    }
    Ok(loaded)
}

/// Says what was looked for.
pub(crate) fn nothing_in(path: &Path) -> Failure {
    let path_shown = path.display();
    Failure::usage(if path.join("problem.xml").is_file() {
        format!(
            "there are no test cases in {path_shown}: it is a package of Polygon, which cannot be read yet; call its inputs \
             and answers (tests/01, tests/01.a) 01.in and 01.ans, and name their folder"
        )
    } else if package::is_package(path) {
        format!(
            "there are no test cases in {path_shown}: none of data/sample and data/secret holds a NAME.in with a NAME.ans"
        )
    } else {
        format!(
            "there are no test cases in {path_shown}: a test is NAME.in with NAME.ans or NAME.out beside it"
        )
    })
}

fn from_json(path: &Path) -> Result<Loaded, Failure> {
    let bytes = or_cannot_read(path, fs::read(path))?;
    let (cases, rest) = match json::read(text::without_mark(&bytes), path.display())? {
        Value::Object(mut submission) => {
            let cases = submission.remove("test_cases");
            let cases = cases
                .with_context(|| format!("{} has no test_cases", path.display()))
                .usage()?;
            (cases, submission)
        }
        cases => (cases, serde_json::Map::new()),
    };
    if !cases.is_array() {
        return Err(Failure::usage(format!(
            "{} does not hold an array of test cases, or a submission",
            path.display()
        )));
    }
    let cases: Vec<TestCase> = json::of_value(cases, format_args!("{}: test cases", path.display()))?;
    let names = cases.iter().map(|case| case.id.to_string()).collect();
    Ok(Loaded {
        cases,
        names,
        settings: Settings::default(),
        notes: Vec::new(),
        rest,
    })
}
