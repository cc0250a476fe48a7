//! Test cases from a folder that is no problem's. Folders in it are groups. Cases are taken in the order of their
//! names, numbers by their value: `2.in` before `10.in`.

use std::{
    cmp::Ordering,
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;

use super::{DEEPEST, FoldersLeft, Loaded, Settings, case, look_over};
use crate::exit::{Blame, Failure};

/// What an answer's file is called, the usual one first.
const ANSWERS: [&str; 2] = ["ans", "out"];

pub(super) fn load(folder: &Path) -> Result<Loaded, Failure> {
    look_over(folder)?;
    let mut inputs = Vec::new();
    collect(folder, DEEPEST, &mut FoldersLeft::new(), &mut inputs)?;
    inputs.sort_by(|a, b| natural(&a.to_string_lossy(), &b.to_string_lossy()));
    let mut cases = Vec::new();
    let mut names = Vec::new();
    for (id, input) in (1..).zip(&inputs) {
        cases.push(case(id, input, &answer(input)?)?);
        let name = input.strip_prefix(folder).unwrap_or(input).with_extension("");
        names.push(name.to_string_lossy().into_owned());
    }
    Ok(Loaded {
        cases,
        names,
        settings: Settings::default(),
        rest: serde_json::Map::new(),
    })
}

fn collect(
    folder: &Path,
    deeper: usize,
    left: &mut FoldersLeft,
    found: &mut Vec<PathBuf>,
) -> Result<(), Failure> {
    left.enter(folder)?;
    let cannot = || format!("cannot read the folder {}", folder.display());
    for entry in fs::read_dir(folder).with_context(cannot).usage()? {
        let path = entry.with_context(cannot).usage()?.path();
        if path.is_dir() && deeper > 0 {
            collect(&path, deeper - 1, left, found)?;
        } else if path.extension().is_some_and(|extension| extension == "in") {
            found.push(path);
        }
    }
    Ok(())
}

fn answer(input: &Path) -> Result<PathBuf, Failure> {
    ANSWERS
        .map(|extension| input.with_extension(extension))
        .into_iter()
        .find(|path| path.is_file())
        .with_context(|| format!("{} has neither an .ans nor an .out beside it", input.display()))
        .usage()
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

#[cfg(test)]
mod tests {
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
    fn a_plain_folder_takes_out_files_and_misses_none() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &[("1.in", b"1"), ("1.out", b"2"), ("2.in", b"")]);
        let error = load(folder.path()).unwrap_err().to_string();
        assert!(error.contains("2.in"), "{error}");
        fs::remove_file(folder.path().join("2.in")).unwrap();
        assert_eq!(load(folder.path()).unwrap().cases[0].expected_output(), b"2");
    }
}
