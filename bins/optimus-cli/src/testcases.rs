//! Test cases from folders and files.
//!
//! - [`package`]: a problem's folder, with `data` and `problem.yaml`
//! - [`folder`]: any other folder of `*.in` with `*.ans` or `*.out`
//! - a JSON file: an array of test cases, or a whole submission as `POST /jobs` takes it

mod folder;
mod notes;
pub(crate) mod package;
mod text;
mod validate_tree;

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use optimus_common::{
    checker::Checker,
    payload::text_or_base64,
    shape,
    submission::{Submission, TestCase},
};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

pub(crate) use self::package::Package;
use self::validate_tree::validate_tree;
use crate::{
    exit::{Classify, Failure, or_cannot_read},
    json,
};

/// Folders deeper than this are no groups of test cases; a link in a circle ends here.
const DEEPEST: usize = 8;
/// Folders there may be. A link to a folder makes one more of it, so links to folders of links multiply.
const MOST_FOLDERS: usize = 1000;

/// Test cases, and what stands beside them.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) cases: Vec<TestCase>,
    /// For people, one for each case, such as `secret/02`.
    pub(crate) names: Vec<String>,
    pub(crate) settings: Settings,
    /// What was passed over, for people.
    pub(crate) notes: Vec<String>,
    /// Fields of a whole submission that this does not look into, to be sent as they are.
    pub(crate) rest: serde_json::Map<String, Value>,
}

/// What a problem asks for: the `optimus` section of `problem.yaml`, in the words of `POST /jobs`, over what the
/// problem says in the words of its format.
#[derive(Debug, Default, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default, remote = "Self", expecting = "a mapping")]
pub(crate) struct Settings {
    pub(crate) timeout_ms: Option<u64>,
    pub(crate) wall_timeout_ms: Option<u64>,
    pub(crate) compile_timeout_ms: Option<u64>,
    pub(crate) memory_limit_mb: Option<u64>,
    pub(crate) output_limit_bytes: Option<u64>,
    pub(crate) checker: Option<Checker>,
    pub(crate) stop_on_failure: bool,
    /// Arguments of the program. Only the format's own words give any.
    #[serde(skip)]
    pub(crate) args: Vec<String>,
}

impl<'de> Deserialize<'de> for Settings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::deserialize(shape::Object(deserializer))
    }
}

impl From<Package> for Loaded {
    fn from(package: Package) -> Self {
        Self {
            cases: package.cases,
            names: package.names,
            settings: package.settings,
            notes: package.notes,
            rest: serde_json::Map::new(),
        }
    }
}

impl Settings {
    /// Asks for them, over what the submission asked for before.
    pub(crate) fn apply(&self, submission: &mut Submission) {
        let limits = [
            (self.timeout_ms, &mut submission.timeout_ms),
            (self.wall_timeout_ms, &mut submission.wall_timeout_ms),
            (self.compile_timeout_ms, &mut submission.compile_timeout_ms),
            (self.memory_limit_mb, &mut submission.memory_limit_mb),
            (self.output_limit_bytes, &mut submission.output_limit_bytes),
        ];
        for (set, current) in limits {
            *current = set.or(*current);
        }
        if let Some(checker) = self.checker {
            submission.checker = checker;
        }
        submission.stop_on_failure |= self.stop_on_failure;
        if !self.args.is_empty() {
            submission.args.clone_from(&self.args);
        }
    }
}

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

/// The folders that were read, and how many more may be.
#[derive(Debug)]
pub(crate) struct FoldersLeft {
    more: usize,
    read: HashSet<PathBuf>,
}

impl FoldersLeft {
    pub(crate) fn new() -> Self {
        Self {
            more: MOST_FOLDERS,
            read: HashSet::new(),
        }
    }

    pub(crate) fn enter(&mut self, folder: &Path) -> Result<(), Failure> {
        self.more = self
            .more
            .checked_sub(1)
            .with_context(|| {
                format!(
                    "{}: with this one, links make more than {MOST_FOLDERS} folders",
                    folder.display()
                )
            })
            .usage()?;
        self.read.extend(folder.canonicalize());
        Ok(())
    }

    /// Ends at a folder that is too deep: one that a link in a circle leads to has been read, and any other would be
    /// missed.
    fn stop_at(&self, folder: &Path) -> Result<(), Failure> {
        match folder.canonicalize() {
            Ok(real) if self.read.contains(&real) => Ok(()),
            _ => Err(Failure::usage(format!(
                "{}: it lies more than {DEEPEST} folders deep",
                folder.display()
            ))),
        }
    }
}

fn case(id: u64, input: &Path, answer: &Path) -> Result<TestCase, Failure> {
    let read = |path: &Path| or_cannot_read(path, fs::read(path));
    let (input, input_base64) = text_or_base64(read(input)?);
    let (expected_output, expected_output_base64) = text_or_base64(read(answer)?);
    Ok(TestCase {
        input,
        input_base64,
        expected_output,
        expected_output_base64,
        ..TestCase::new(id, "", "")
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
