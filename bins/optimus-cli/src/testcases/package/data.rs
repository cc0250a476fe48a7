//! Tests of a package, in the order of their names, with what their groups say of them.

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use optimus_common::{checker::Checker, submission::TestCase};

use super::{
    constants::used_constant,
    files::{self, File},
    format::PackageFormat,
    metadata::Metadata,
    validator,
    yaml::{Section, Value},
};
use crate::{
    exit::{Classify, Failure},
    testcases::{
        case::case,
        folders_left::{DEEPEST, FoldersLeft},
        notes::Notes,
    },
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
const LEGACY: &[&str] = &[ON_REJECT, "accept_score", "reject_score", "range"];
const ON_REJECT: &str = "on_reject";
/// All but the first say something about scoring problems.
const SCORES: &[&str] = &["accept_score", "reject_score", "range"];
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

pub(super) fn read(data: &Path, metadata: &Metadata, notes: &mut Notes) -> Result<Tests, Failure> {
    let mut walk = DataWalk {
        data,
        metadata,
        notes,
        left: FoldersLeft::new(),
        groups: Vec::new(),
        found: Vec::new(),
    };
    walk.look_beside_parts()?;
    walk.enter(Path::new(""))?;
    for part in PARTS {
        // One that is no folder, such as a link that leads nowhere, cannot be read, and says so.
        if is_there(&data.join(part)) {
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

struct DataWalk<'a> {
    data: &'a Path,
    metadata: &'a Metadata,
    notes: &'a mut Notes,
    left: FoldersLeft,
    /// From `data` down to the folder that is being read.
    groups: Vec<Group>,
    found: Vec<Found>,
}

impl DataWalk<'_> {
    fn enter(&mut self, folder: &Path) -> Result<(), Failure> {
        let (own, other) = match self.metadata.format {
            PackageFormat::Legacy => ("testdata.yaml", "test_group.yaml"),
            PackageFormat::Of2023 | PackageFormat::Of2025 => ("test_group.yaml", "testdata.yaml"),
        };
        // Drafts had it differently, and what it says must not be passed over.
        if is_there(&self.data.join(folder).join(other)) {
            return Err(Failure::usage(format!(
                "{}: in this version of the format it is called {own}",
                self.data.join(folder).join(other).display()
            )));
        }
        let name = folder.join(own);
        let config = self.config(&name)?;
        self.groups.push(Group {
            folder: folder.to_owned(),
            config,
        });
        Ok(())
    }

    /// What is in `data` itself, where only its parts belong.
    fn look_beside_parts(&mut self) -> Result<(), Failure> {
        for name in names_in(self.data)? {
            let path = self.data.join(&name);
            if PARTS.contains(&name.as_str()) || is_group_config(&name) {
                continue;
            }
            if path.is_dir() {
                if !files::is_for_validators(&name) && !is_hidden(&name) {
                    self.notes.say(format!(
                        "data/{name}: not looked at; programs are run on data/sample and data/secret"
                    ));
                }
            } else if files::looks_like_a_test(&name) && !is_hidden(&name) {
                return Err(Failure::usage(format!(
                    "{}: tests lie in data/sample and data/secret, and in folders there",
                    path.display()
                )));
            } else {
                self.pass_over(Path::new(&name));
            }
        }
        Ok(())
    }

    fn folder(&mut self, folder: &Path, deeper: usize) -> Result<(), Failure> {
        self.enter(folder)?;
        let path = self.data.join(folder);
        self.left.enter(&path)?;
        let mut names = Vec::new();
        for name in names_in(&path)? {
            let inner = folder.join(&name);
            let extension = inner.extension().unwrap_or_default();
            if is_hidden(&name) {
                self.pass_over(&inner);
            } else if ["files", "args"].iter().any(|refused| extension == *refused) {
                return Err(Failure::usage(format!(
                    "{}: tests with files or arguments of their own beside the input cannot be graded yet",
                    self.data.join(&inner).display()
                )));
            } else if !self.data.join(&inner).is_dir() {
                names.push(name);
            } else if deeper > 0 {
                self.folder(&inner, deeper - 1)?;
            } else {
                self.left.stop_at(&self.data.join(&inner))?;
            }
        }
        self.files(folder, &names)?;
        self.groups.pop();
        Ok(())
    }

    /// The files of one folder: its tests, and nothing that belongs to a test which is not there.
    fn files(&mut self, folder: &Path, names: &[String]) -> Result<(), Failure> {
        let tests: HashSet<&str> = names.iter().filter_map(|name| name.strip_suffix(".in")).collect();
        for name in names {
            let inner = folder.join(name);
            let refuse = |why: String| {
                Err(Failure::usage(format!(
                    "{}: {why}",
                    self.data.join(&inner).display()
                )))
            };
            if is_group_config(name) {
                continue;
            }
            match files::file(name, self.metadata.format) {
                File::Input(test) => {
                    if !names.contains(&format!("{test}.ans")) {
                        return refuse(format!("there is no {test}.ans beside it"));
                    }
                    self.test(&folder.join(test))?;
                }
                File::Answer(test) | File::Config(test) if !tests.contains(test) => {
                    return refuse(format!("there is no {test}.in beside it, so no test for it"));
                }
                File::Misspelt => {
                    return refuse("the format has .in and .ans, in small letters".to_owned());
                }
                File::Shown(Some(test)) if !tests.contains(test) => self.pass_over(&inner),
                File::Unknown => self.pass_over(&inner),
                File::Answer(_) | File::Config(_) | File::Shown(_) => {}
            }
        }
        Ok(())
    }

    /// A file that nobody has a use for. Hidden ones are as if they were not there, says the format, and worth a word
    /// only where somebody may think that they are.
    fn pass_over(&mut self, inner: &Path) {
        let name = inner.file_name().unwrap_or_default().to_string_lossy();
        if !is_hidden(&name) || files::looks_like_a_test(&name) && !name.starts_with("._") {
            self.notes
                .unknown_file(Path::new("data").join(inner).display().to_string());
        }
    }

    fn test(&mut self, name: &Path) -> Result<(), Failure> {
        let own = name.with_added_extension("yaml");
        let own = match self.metadata.format {
            PackageFormat::Legacy => None,
            PackageFormat::Of2023 | PackageFormat::Of2025 => self.config(&own)?,
        }
        .unwrap_or_default();
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

    /// The value that holds in the folder being read: that of the nearest group which gives one. Where the version
    /// leaves open whether it holds, nothing is guessed.
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
            // Key by key, says the text of the legacy versions since 2025-12, and so their tools have always done.
            PackageFormat::Legacy | PackageFormat::Of2023 => true,
            // Groups are `sample`, and `secret` or the folders in it; below them there are none.
            PackageFormat::Of2025 => setter.folder == here.folder || setter.folder.components().count() >= 2,
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

    /// `None` where there is no such file.
    fn config(&mut self, name: &Path) -> Result<Option<Config>, Failure> {
        let path = self.data.join(name);
        let place = Path::new("data").join(name).display().to_string();
        let Some(yaml) = Section::read_if_there(&path, &place)? else {
            return Ok(None);
        };
        let legacy = self.metadata.format == PackageFormat::Legacy;
        let of_version: &[&[&str]] = if legacy {
            &[ABOUT, LEGACY, LEGACY_CHECKED]
        } else {
            &[ABOUT, MODERN_CHECKED, REFUSED]
        };
        yaml.allow_only(of_version)?;
        if let Some(key) = REFUSED
            .iter()
            .find(|key| yaml.get(key).is_some_and(|value| !value.is_false()))
        {
            return Err(yaml.refuse(key, "scoring and static validation cannot be honoured yet"));
        }
        let config = if legacy {
            refuse_graders(&yaml)?;
            // Whether tests are run after one that failed changes no verdict of the whole.
            if yaml
                .text(ON_REJECT)?
                .is_some_and(|word| !["break", "continue", "grade"].contains(&word.as_str()))
            {
                return Err(yaml.refuse(ON_REJECT, "knows break and continue"));
            }
            for key in SCORES.iter().filter(|key| yaml.get(key).is_some()) {
                self.notes.say(format!(
                    "{place}: {key}: not looked at; it is for scoring problems"
                ));
            }
            Config {
                args: None,
                validator_args: self.validator_flags(&yaml)?,
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
        Ok(Some(config))
    }

    /// Words, or a mapping that names a validator and its flags.
    fn validator_flags(&self, yaml: &Section) -> Result<Option<Vec<String>>, Failure> {
        const KEY: &str = "output_validator_flags";
        if !matches!(yaml.get(KEY), Some(Value::Mapping(_))) {
            return yaml.words(KEY);
        }
        let map = yaml.section(KEY)?;
        map.allow_only(&[&["name", "flags"]])?;
        // Where the package's own section names a checker, no validator is asked, whatever it is called.
        if let Some(name) = map.text("name")?
            && name != "default"
            && self.metadata.settings.checker.is_none()
        {
            return Err(yaml.refuse(KEY, &format!("the output validator {name} cannot be run yet")));
        }
        Ok(Some(map.words("flags")?.unwrap_or_default()))
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

/// Whatever it is.
fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// What is in a folder, in the order of the names.
fn names_in(folder: &Path) -> Result<Vec<String>, Failure> {
    let cannot = || format!("cannot read the folder {}", folder.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).with_context(cannot).usage()? {
        let name = entry.with_context(cannot).usage()?.file_name();
        let name = name.into_string().map_err(|name| {
            Failure::usage(format!(
                "{}: its name is no text in UTF-8",
                folder.join(name).display()
            ))
        })?;
        names.push(name);
    }
    names.sort();
    Ok(names)
}

/// Where it stands in the wrong version of the format, it is refused when its folder is entered.
fn is_group_config(name: &str) -> bool {
    ["testdata.yaml", "test_group.yaml"].contains(&name)
}

/// As if it were not there, says the format.
fn is_hidden(name: &str) -> bool {
    name.starts_with(['.', '-'])
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
