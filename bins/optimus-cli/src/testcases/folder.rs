//! Test cases from a folder that is no problem's. Folders in it are groups. Cases are taken in the order of their
//! names, numbers by their value: `2.in` before `10.in`. Extensions are taken in any case: `2.IN` is an input.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, btree_map::Entry},
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;

use super::{
    case::case,
    folders_left::{DEEPEST, FoldersLeft},
    loaded::Loaded,
    notes::Notes,
    settings::Settings,
    validate_tree::validate_tree,
};
use crate::exit::{Classify, Failure};

/// Files by which packages are configured; a plain folder has no configuration.
const OF_PACKAGES: [&str; 5] = [
    "problem.yaml",
    "testdata.yaml",
    "test_group.yaml",
    "domjudge-problem.ini",
    ".timelimit",
];

/// What there is of a test.
#[derive(Debug, Default)]
struct Files {
    input: Option<PathBuf>,
    /// `.ans`, the usual name of an answer, goes before `.out`.
    ans: Option<PathBuf>,
    out: Option<PathBuf>,
}

/// By their paths without an extension.
type FilesByTest = BTreeMap<PathBuf, Files>;

pub(super) fn load(folder: &Path) -> Result<Loaded, Failure> {
    validate_tree(folder)?;
    let mut notes = Notes::default();
    let mut tests = FilesByTest::new();
    let mut walk = FolderWalk {
        root: folder,
        left: FoldersLeft::new(),
        tests: &mut tests,
        notes: &mut notes,
    };
    walk.folder(folder, DEEPEST)?;
    let mut tests: Vec<_> = tests.into_iter().collect();
    tests.sort_by(|(a, _), (b, _)| natural(&a.to_string_lossy(), &b.to_string_lossy()));
    let mut cases = Vec::new();
    let mut names = Vec::new();
    for (test, files) in &tests {
        let name = test.strip_prefix(folder).unwrap_or(test).to_string_lossy();
        match (&files.input, files.ans.as_ref().or(files.out.as_ref())) {
            (Some(input), Some(answer)) => {
                cases.push(case(cases.len() as u64 + 1, input, answer)?);
                names.push(name.into_owned());
            }
            (Some(input), None) => {
                return Err(Failure::usage(format!(
                    "{} has neither an .ans nor an .out beside it",
                    input.display()
                )));
            }
            (None, answer) => {
                let answer = answer.and_then(|path| path.file_name()).unwrap_or_default();
                notes.say(format!(
                    "{}: not looked at; there is no {name}.in beside it",
                    Path::new(&*name).with_file_name(answer).display()
                ));
            }
        }
    }
    Ok(Loaded {
        cases,
        names,
        settings: Settings::default(),
        notes: notes.into_lines(),
        rest: serde_json::Map::new(),
    })
}

struct FolderWalk<'a> {
    root: &'a Path,
    left: FoldersLeft,
    tests: &'a mut FilesByTest,
    notes: &'a mut Notes,
}

impl FolderWalk<'_> {
    fn folder(&mut self, folder: &Path, deeper: usize) -> Result<(), Failure> {
        self.left.enter(folder)?;
        let cannot = || format!("cannot read the folder {}", folder.display());
        for entry in fs::read_dir(folder).with_context(cannot).usage()? {
            let path = entry.with_context(cannot).usage()?.path();
            if !path.is_dir() {
                self.file(&path)?;
            } else if deeper > 0 {
                self.folder(&path, deeper - 1)?;
            } else {
                self.left.stop_at(&path)?;
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &Path) -> Result<(), Failure> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let inner = path.strip_prefix(self.root).unwrap_or(path).display().to_string();
        if OF_PACKAGES.contains(&&*name) {
            self.notes.say(format!(
                "{inner}: not looked at; it says something about problem packages, whose tests are in a folder data"
            ));
            return Ok(());
        }
        let extension = path.extension().unwrap_or_default().to_string_lossy();
        let extension = extension.to_ascii_lowercase();
        if !["in", "ans", "out"].contains(&extension.as_str()) {
            if !name.starts_with('.') {
                self.notes.unknown_file(inner);
            }
            return Ok(());
        }
        let files = match self.tests.entry(path.with_extension("")) {
            Entry::Vacant(entry) => entry.insert(Files::default()),
            Entry::Occupied(entry) => entry.into_mut(),
        };
        let place = match extension.as_str() {
            "in" => &mut files.input,
            "ans" => &mut files.ans,
            _ => &mut files.out,
        };
        match place.replace(path.to_owned()) {
            None => Ok(()),
            Some(other) => Err(Failure::usage(format!(
                "{} and {} are the same file of one test",
                other.display(),
                path.display()
            ))),
        }
    }
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
        let loaded = load(folder.path()).unwrap();
        assert_eq!(loaded.cases[0].expected_output(), b"2");
        assert!(loaded.notes.is_empty(), "{:?}", loaded.notes);
    }

    #[test]
    fn extensions_are_taken_in_any_case() {
        let folder = tempfile::tempdir().unwrap();
        write(
            folder.path(),
            &[
                ("3.IN", b"1"),
                ("3.OUT", b"2"),
                ("g/4.In", b""),
                ("g/4.ANS", b"5"),
            ],
        );
        let loaded = load(folder.path()).unwrap();
        assert_eq!(loaded.names, ["3", "g/4"]);
        assert_eq!(loaded.cases[0].expected_output(), b"2");
        write(folder.path(), &[("3.in", b"9")]);
        let error = load(folder.path()).unwrap_err().to_string();
        assert!(error.contains("3.IN") && error.contains("3.in"), "{error}");
    }

    #[test]
    fn what_is_passed_over_is_told() {
        let folder = tempfile::tempdir().unwrap();
        write(
            folder.path(),
            &[
                ("1.in", b""),
                ("1.ans", b""),
                ("g/2.ans", b""),
                ("a.out", b""),
                ("testdata.yaml", b"output_validator_flags: case_sensitive"),
                ("hw.pdf", b""),
                ("5.a", b""),
                (".DS_Store", b""),
            ],
        );
        let loaded = load(folder.path()).unwrap();
        assert_eq!(loaded.cases.len(), 1);
        for part in [
            "g/2.ans: not looked at; there is no g/2.in",
            "a.out: not looked at",
            "testdata.yaml: not looked at",
            "not looked at: 5.a, hw.pdf",
        ] {
            let told = loaded.notes.iter().any(|note| note.starts_with(part));
            assert!(told, "{part:?} is not in {:?}", loaded.notes);
        }
        assert_eq!(loaded.notes.len(), 4, "{:?}", loaded.notes);
    }

    #[test]
    fn folders_that_are_too_deep_do_not_vanish() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &[("1/2/3/4/5/6/7/8/9/1.in", b"")]);
        let error = load(folder.path()).unwrap_err().to_string();
        assert!(error.contains("folders deep"), "{error}");
    }
}
