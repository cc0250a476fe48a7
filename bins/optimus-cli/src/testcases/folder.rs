//! Test cases from a folder.
//!
//! A problem's folder has its cases in `data/sample` and `data/secret`, and may have a `problem.yaml` with a section
//! `optimus`. Any other folder has its cases in itself. Groups are folders in either. Cases are taken in the order of
//! their names, numbers by their value: `2.in` before `10.in`.

use std::{
    cmp::Ordering,
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use optimus_common::{payload::text_or_base64, submission::TestCase};
use serde::Deserialize;

use super::{Loaded, Settings};
use crate::exit::{Blame, Failure};

/// What an answer's file is called, the usual one first.
const ANSWERS: [&str; 2] = ["ans", "out"];

/// Folders deeper than this are no groups of test cases; a link in a circle ends here.
const DEEPEST: usize = 8;

pub(super) fn load(folder: &Path) -> Result<Loaded, Failure> {
    let data = folder.join("data");
    let mut inputs = Vec::new();
    if data.is_dir() {
        for part in ["sample", "secret"].map(|part| data.join(part)) {
            if part.is_dir() {
                let mut found = Vec::new();
                collect(&part, DEEPEST, &mut found)?;
                found.sort_by(|a, b| natural(&a.to_string_lossy(), &b.to_string_lossy()));
                inputs.append(&mut found);
            }
        }
    } else {
        collect(folder, DEEPEST, &mut inputs)?;
        inputs.sort_by(|a, b| natural(&a.to_string_lossy(), &b.to_string_lossy()));
    }
    let top = if data.is_dir() { &data } else { folder };
    let mut cases = Vec::new();
    let mut names = Vec::new();
    for (id, input) in (1..).zip(&inputs) {
        cases.push(case(id, input)?);
        let name = input.strip_prefix(top).unwrap_or(input).with_extension("");
        names.push(name.to_string_lossy().into_owned());
    }
    Ok(Loaded {
        cases,
        names,
        settings: settings(folder)?,
        rest: serde_json::Map::new(),
    })
}

fn collect(folder: &Path, deeper: usize, found: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let cannot = || format!("cannot read the folder {}", folder.display());
    for entry in fs::read_dir(folder).with_context(cannot).usage()? {
        let path = entry.with_context(cannot).usage()?.path();
        if path.is_dir() && deeper > 0 {
            collect(&path, deeper - 1, found)?;
        } else if path.extension().is_some_and(|extension| extension == "in") {
            found.push(path);
        }
    }
    Ok(())
}

fn case(id: u64, input: &Path) -> Result<TestCase, Failure> {
    let answer = ANSWERS
        .map(|extension| input.with_extension(extension))
        .into_iter()
        .find(|path| path.is_file());
    let answer = answer
        .with_context(|| format!("{} has neither an .ans nor an .out beside it", input.display()))
        .usage()?;
    let read = |path: &Path| {
        fs::read(path)
            .with_context(|| format!("cannot read {}", path.display()))
            .usage()
    };
    let (input, input_base64) = text_or_base64(read(input)?);
    let (expected_output, expected_output_base64) = text_or_base64(read(&answer)?);
    Ok(TestCase {
        id,
        input,
        input_base64,
        expected_output,
        expected_output_base64,
        points: None,
    })
}

/// Digits compare by their value, everything else by its bytes.
fn natural(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        let (digits_a, digits_b) = (leading_digits(a), leading_digits(b));
        if !digits_a.is_empty() && !digits_b.is_empty() {
            let value = |digits: &str| {
                (
                    digits.trim_start_matches('0').len(),
                    digits.trim_start_matches('0').to_owned(),
                )
            };
            let order = value(digits_a)
                .cmp(&value(digits_b))
                .then(digits_a.len().cmp(&digits_b.len()));
            if order != Ordering::Equal {
                return order;
            }
            (a, b) = (&a[digits_a.len()..], &b[digits_b.len()..]);
            continue;
        }
        let (mut rest_a, mut rest_b) = (a.chars(), b.chars());
        match (rest_a.next(), rest_b.next()) {
            (None, None) => return Ordering::Equal,
            (x, y) if x != y => return x.cmp(&y),
            _ => (a, b) = (rest_a.as_str(), rest_b.as_str()),
        }
    }
}

fn leading_digits(text: &str) -> &str {
    &text[..text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len())]
}

fn settings(folder: &Path) -> Result<Settings, Failure> {
    /// Everything else in it is for others.
    #[derive(Deserialize)]
    struct Problem {
        #[serde(default)]
        optimus: Settings,
    }
    let path = folder.join("problem.yaml");
    if !path.is_file() {
        return Ok(Settings::default());
    }
    let text = fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}", path.display()))
        .usage()?;
    let problem: Problem = serde_saphyr::from_str(&text)
        .with_context(|| format!("{} is not as it must be", path.display()))
        .usage()?;
    Ok(problem.optimus)
}

#[cfg(test)]
mod tests {
    use optimus_common::checker::Checker;

    use super::*;

    fn write(folder: &Path, files: &[(&str, &[u8])]) {
        for (name, content) in files {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
    }

    #[test]
    fn numbers_in_names_sort_by_value() {
        let mut names = ["10.in", "2.in", "a10b2", "a2b10", "02.in", "1.in"];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, ["1.in", "2.in", "02.in", "10.in", "a2b10", "a10b2"]);
    }

    #[test]
    fn a_problem_has_samples_first_and_its_settings() {
        let folder = tempfile::tempdir().unwrap();
        write(
            folder.path(),
            &[
                ("data/secret/10.in", b"x"),
                ("data/secret/10.ans", b"y"),
                ("data/secret/group/2.in", b"\xff"),
                ("data/secret/group/2.ans", b""),
                ("data/sample/1.in", b"1"),
                ("data/sample/1.ans", b"2"),
                ("problem.yaml", b"name: Sum\noptimus:\n  timeout_ms: 900\n  checker:\n    type: float\n    abs_tolerance: 1e-9\n    rel_tolerance: 0.001\n"),
            ],
        );
        let loaded = load(folder.path()).unwrap();
        assert_eq!(loaded.names, ["sample/1", "secret/10", "secret/group/2"]);
        assert_eq!(loaded.settings.timeout_ms, Some(900));
        assert_eq!(
            loaded.settings.checker,
            Some(Checker::Float {
                abs_tolerance: 1e-9,
                rel_tolerance: 0.001
            })
        );
        assert_eq!(loaded.cases[2].input(), b"\xff");
        assert!(
            loaded.cases[2].input_base64.is_some(),
            "what is not UTF-8 travels as base64"
        );
    }

    #[test]
    fn a_plain_folder_takes_out_files_and_misses_none() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &[("1.in", b"1"), ("1.out", b"2"), ("2.in", b"")]);
        let error = load(folder.path()).unwrap_err().to_string();
        assert!(error.contains("2.in"), "{error}");
        fs::remove_file(folder.path().join("2.in")).unwrap();
        assert_eq!(load(folder.path()).unwrap().cases[0].expected_output(), b"2");
    }

    #[test]
    fn a_misspelt_setting_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &[("problem.yaml", b"optimus:\n  timeout: 5\n")]);
        let error = load(folder.path()).unwrap_err().to_string();
        assert!(error.contains("`timeout`"), "{error}");
    }
}
