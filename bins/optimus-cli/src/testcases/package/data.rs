//! Tests of a package, in the order of their names, with what their groups say of them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use optimus_common::{checker::Checker, submission::TestCase};

use super::{Format, metadata::Metadata, used_constant, validator, yaml::Section};
use crate::{
    exit::{Blame, Failure},
    testcases::{DEEPEST, FoldersLeft, case},
};

/// The only parts of `data` that programs are run on.
const PARTS: [&str; 2] = ["sample", "secret"];

/// Keys that say something about input validators, pictures or people.
const ABOUT: &[&str] = &[
    "input_validator_args",
    "input_validator_flags",
    "input_visualizer_args",
    "output_visualizer_args",
    "static_validator_args",
    "full_feedback",
    "hint",
    "description",
];
/// Keys of groups of the older versions that scoring problems alone have a use for, or that say when to stop.
const LEGACY: &[&str] = &["on_reject", "accept_score", "reject_score", "range"];
const LEGACY_CHECKED: &[&str] = &["grading", "grader_flags", "output_validator_flags"];
const MODERN_CHECKED: &[&str] = &["args", "output_validator_args"];
/// Keys by which a problem is not one of passing or failing every test.
const REFUSED: &[&str] = &[
    "scoring",
    "max_score",
    "score_aggregation",
    "require_pass",
    "static_validation",
    "static_validation_score",
];
/// The default grader's modes. None of them makes an accepted submission of one with a failed test.
const GRADER_FLAGS: [&str; 6] = ["first_error", "worst_error", "min", "max", "sum", "avg"];

/// All tests of a package.
#[derive(Debug)]
pub(super) struct Tests {
    pub(super) cases: Vec<TestCase>,
    pub(super) names: Vec<String>,
    /// Arguments of the program, the same in every test.
    pub(super) args: Vec<String>,
    /// That of every test, unless the package's own section names another.
    pub(super) checker: Option<Checker>,
}

/// What a file says of the tests in its folder and below, or of one test.
#[derive(Debug, Default, Clone)]
struct Config {
    args: Option<Vec<String>>,
    validator_args: Option<Vec<String>>,
}

/// A folder's configuration, and where it stands.
#[derive(Debug)]
struct Group {
    /// Relative to `data`.
    folder: PathBuf,
    config: Option<Config>,
}

pub(super) fn read(data: &Path, metadata: &Metadata) -> Result<Tests, Failure> {
    let mut walk = Walk {
        data,
        metadata,
        left: FoldersLeft::new(),
        groups: Vec::new(),
        found: Vec::new(),
    };
    walk.enter(Path::new(""))?;
    for part in PARTS {
        if data.join(part).is_dir() {
            walk.folder(Path::new(part), DEEPEST)?;
        }
    }
    walk.finish()
}

/// A test on its way into the list.
#[derive(Debug)]
struct Found {
    /// Relative to `data`, without its extension.
    name: PathBuf,
    args: Vec<String>,
    checker: Option<Checker>,
}

struct Walk<'a> {
    data: &'a Path,
    metadata: &'a Metadata,
    left: FoldersLeft,
    /// From `data` down to the folder that is being read.
    groups: Vec<Group>,
    found: Vec<Found>,
}

impl Walk<'_> {
    fn enter(&mut self, folder: &Path) -> Result<(), Failure> {
        let (own, other) = match self.metadata.format {
            Format::Legacy => ("testdata.yaml", "test_group.yaml"),
            Format::Of2023 | Format::Of2025 => ("test_group.yaml", "testdata.yaml"),
        };
        // Drafts had it differently, and what it says must not be passed over.
        if self.data.join(folder).join(other).is_file() {
            return Err(Failure::usage(format!(
                "{}: in this version of the format it is called {own}",
                self.data.join(folder).join(other).display()
            )));
        }
        let name = folder.join(own);
        let config = if self.data.join(&name).is_file() {
            Some(self.config(&name)?)
        } else {
            None
        };
        self.groups.push(Group {
            folder: folder.to_owned(),
            config,
        });
        Ok(())
    }

    fn folder(&mut self, folder: &Path, deeper: usize) -> Result<(), Failure> {
        self.enter(folder)?;
        let path = self.data.join(folder);
        self.left.enter(&path)?;
        let cannot = || format!("cannot read the folder {}", path.display());
        for entry in fs::read_dir(&path).with_context(cannot).usage()? {
            let name = entry.with_context(cannot).usage()?.file_name();
            // As if it were not there, says the format.
            if name.to_string_lossy().starts_with(['.', '-']) {
                continue;
            }
            let inner = folder.join(&name);
            let extension = inner.extension().unwrap_or_default();
            if ["files", "args"].iter().any(|refused| extension == *refused) {
                return Err(Failure::usage(format!(
                    "{}: tests with files or arguments of their own beside the input cannot be graded yet",
                    self.data.join(&inner).display()
                )));
            }
            if self.data.join(&inner).is_dir() && deeper > 0 {
                self.folder(&inner, deeper - 1)?;
            } else if extension == "in" {
                self.test(&inner.with_extension(""))?;
            }
        }
        self.groups.pop();
        Ok(())
    }

    fn test(&mut self, name: &Path) -> Result<(), Failure> {
        let own = name.with_added_extension("yaml");
        let own = if self.metadata.format != Format::Legacy && self.data.join(&own).is_file() {
            self.config(&own)?
        } else {
            Config::default()
        };
        let args = match own.args {
            Some(args) => args,
            None => self.inherited("args", |config| config.args.as_ref())?,
        };
        let validator_args = match own.validator_args {
            Some(args) => args,
            None => self.inherited("output validator's arguments", |config| {
                config.validator_args.as_ref()
            })?,
        };
        let checker = if self.metadata.settings.checker.is_some() {
            None
        } else {
            let all = [&self.metadata.validator_flags[..], &validator_args].concat();
            let checker = validator::checker(&all, self.metadata.format)
                .map_err(|why| Failure::usage(format!("{}: {why}", self.data.join(name).display())))?;
            Some(checker)
        };
        self.found.push(Found {
            name: name.to_owned(),
            args,
            checker,
        });
        Ok(())
    }

    /// The value that holds in the folder being read. Only `2023-07-draft` says that groups inherit key by key;
    /// where the others leave open whether a value holds, nothing is guessed.
    fn inherited(
        &self,
        what: &str,
        value: impl Fn(&Config) -> Option<&Vec<String>>,
    ) -> Result<Vec<String>, Failure> {
        let innermost_first = || self.groups.iter().rev();
        let of = |group: &Group| group.config.as_ref().and_then(&value).cloned();
        let Some(setter) = innermost_first().find(|group| of(group).is_some()) else {
            return Ok(Vec::new());
        };
        let here = self.groups.last().unwrap_or(setter);
        let clear = match self.metadata.format {
            Format::Of2023 => true,
            // A file holds until the next one replaces it as a whole.
            Format::Legacy => innermost_first()
                .find(|group| group.config.is_some())
                .is_some_and(|nearest| nearest.folder == setter.folder),
            // Groups are `sample`, and `secret` or the folders in it; below them there are none.
            Format::Of2025 => setter.folder == here.folder || setter.folder.components().count() >= 2,
        };
        if !clear {
            return Err(Failure::usage(format!(
                "{}: the format does not say whether the {what} of {} hold here; write them here too",
                self.data.join(&here.folder).display(),
                Path::new("data").join(&setter.folder).display()
            )));
        }
        Ok(of(setter).unwrap_or_default())
    }

    fn config(&self, name: &Path) -> Result<Config, Failure> {
        let path = self.data.join(name);
        let place = Path::new("data").join(name).display().to_string();
        let yaml = Section::read(&path, &place)?;
        let legacy = self.metadata.format == Format::Legacy;
        let of_version: &[&[&str]] = if legacy {
            &[ABOUT, LEGACY, LEGACY_CHECKED]
        } else {
            &[ABOUT, MODERN_CHECKED, REFUSED]
        };
        yaml.allow_only(of_version)?;
        if let Some(key) = REFUSED.iter().find(|key| {
            yaml.get(key)
                .is_some_and(|value| *value != serde_json::Value::Bool(false))
        }) {
            return Err(yaml.refuse(key, "scoring and static validation cannot be honoured yet"));
        }
        let config = if legacy {
            refuse_graders(&yaml)?;
            Config {
                args: None,
                validator_args: yaml.words("output_validator_flags")?,
            }
        } else {
            Config {
                args: yaml.words("args")?,
                validator_args: yaml.words("output_validator_args")?,
            }
        };
        let words = [&config.args, &config.validator_args]
            .into_iter()
            .flatten()
            .flatten();
        for word in words {
            if let Some(name) = used_constant(&self.metadata.constants, word.as_bytes()) {
                return Err(yaml.refuse(word, &format!("the constant {name} cannot be put in yet")));
            }
        }
        Ok(config)
    }

    fn finish(mut self) -> Result<Tests, Failure> {
        // By components: a group's tests stay together, wherever its name sorts.
        self.found.sort_by(|a, b| a.name.cmp(&b.name));
        if let Some(first) = self.found.first() {
            let other = |what: &str, other: &Found| {
                Err(Failure::usage(format!(
                    "{} and {} have different {what}; tests that differ in them cannot be graded yet",
                    self.data.join(&first.name).display(),
                    self.data.join(&other.name).display()
                )))
            };
            if let Some(test) = self.found.iter().find(|test| test.args != first.args) {
                return other("args", test);
            }
            if let Some(test) = self.found.iter().find(|test| test.checker != first.checker) {
                return other("output validator's arguments", test);
            }
        }
        let mut tests = Tests {
            cases: Vec::new(),
            names: Vec::new(),
            args: self
                .found
                .first()
                .map(|test| test.args.clone())
                .unwrap_or_default(),
            checker: self.found.first().and_then(|test| test.checker),
        };
        for (id, Found { name, .. }) in (1..).zip(&self.found) {
            let path = |extension| self.data.join(name.with_added_extension(extension));
            tests.cases.push(case(id, &path("in"), &path("ans"))?);
            tests.names.push(name.to_string_lossy().into_owned());
        }
        Ok(tests)
    }
}

fn refuse_graders(yaml: &Section) -> Result<(), Failure> {
    if yaml.text("grading")?.is_some_and(|grading| grading != "default") {
        return Err(yaml.refuse("grading", "a grader of the package's own cannot be honoured yet"));
    }
    let flags = yaml.words("grader_flags")?.unwrap_or_default();
    match flags.iter().find(|flag| !GRADER_FLAGS.contains(&flag.as_str())) {
        Some(flag) => Err(yaml.refuse("grader_flags", &format!("{flag} cannot be honoured yet"))),
        None => Ok(()),
    }
}
