//! Test cases from folders and files.
//!
//! - [`folder`]: `*.in` with `*.ans` or `*.out`, or a problem's folder with `data/` and `problem.yaml`
//! - a JSON file: an array of test cases, or a whole submission as `POST /jobs` takes it

mod folder;

use std::{fs, path::Path};

use anyhow::Context;
use optimus_common::{checker::Checker, submission::TestCase};
use serde::Deserialize;
use serde_json::Value;

use crate::exit::{Blame, Failure};

/// Test cases, and what stands beside them.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) cases: Vec<TestCase>,
    /// For people, one for each case, such as `secret/02`.
    pub(crate) names: Vec<String>,
    pub(crate) settings: Settings,
    /// Fields of a whole submission that this does not look into, to be sent as they are.
    pub(crate) rest: serde_json::Map<String, Value>,
}

/// What a problem asks for: the `optimus` section of `problem.yaml`.
#[derive(Debug, Default, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Settings {
    pub(crate) timeout_ms: Option<u64>,
    pub(crate) wall_timeout_ms: Option<u64>,
    pub(crate) compile_timeout_ms: Option<u64>,
    pub(crate) memory_limit_mb: Option<u64>,
    pub(crate) output_limit_bytes: Option<u64>,
    pub(crate) checker: Option<Checker>,
    pub(crate) stop_on_failure: bool,
}

pub(crate) fn load(path: &Path) -> Result<Loaded, Failure> {
    let loaded = if path.is_dir() {
        folder::load(path)?
    } else {
        from_json(path)?
    };
    if loaded.cases.is_empty() {
        return Err(Failure::usage(format!(
            "there are no test cases in {}",
            path.display()
        )));
    }
    Ok(loaded)
}

fn from_json(path: &Path) -> Result<Loaded, Failure> {
    let text = fs::read(path)
        .with_context(|| format!("cannot read {}", path.display()))
        .usage()?;
    let not_json = || format!("{} is not JSON", path.display());
    let (cases, rest) = match serde_json::from_slice(&text).with_context(not_json).usage()? {
        Value::Object(mut submission) => {
            let cases = submission.remove("test_cases");
            let cases = cases
                .with_context(|| format!("{} has no test_cases", path.display()))
                .usage()?;
            (cases, submission)
        }
        cases => (cases, serde_json::Map::new()),
    };
    let cases: Vec<TestCase> = serde_json::from_value(cases)
        .with_context(|| {
            format!(
                "{} does not hold an array of test cases, or a submission",
                path.display()
            )
        })
        .usage()?;
    let names = cases.iter().map(|case| case.id.to_string()).collect();
    Ok(Loaded {
        cases,
        names,
        settings: Settings::default(),
        rest,
    })
}
