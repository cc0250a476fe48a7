//! Problem packages: the ICPC problem package format, in its versions `legacy`, `legacy-icpc`, `2023-07-draft` and
//! `2025-09`, with a section `optimus` of ours in `problem.yaml`.
//!
//! What of a package cannot be honoured is refused by name: a verdict by other rules than the package's is worse than
//! none. The specification: <https://icpc.io/problem-package-format/>.
//!
//! - [`metadata`] reads `problem.yaml`
//! - [`data`] reads the tests, in their order, with their groups' configuration; [`files`] tells its files apart;
//!   [`validator`] how outputs are compared
//! - [`submissions`] lists the package's own programs; [`rules`] is what they must get; [`tag`] what one says of itself

mod constants;
mod data;
mod entries;
mod files;
mod format;
mod glob;
mod metadata;
mod rules;
mod submissions;
mod tag;
mod time_rule;
mod validator;
mod yaml;

use std::path::Path;

use optimus_common::submission::TestCase;

use self::{constants::used_constant, metadata::Validation};
pub(crate) use self::{
    entries::entries_of,
    format::PackageFormat,
    rules::Expectation,
    submissions::{ListedProgram, Submissions, tagged},
    time_rule::TimeRule,
};
use super::{notes::Notes, settings::Settings, validate_tree::validate_tree};
use crate::exit::Failure;

/// A problem.
#[derive(Debug)]
pub(crate) struct Package {
    pub(crate) name: Option<String>,
    pub(crate) format: PackageFormat,
    pub(crate) cases: Vec<TestCase>,
    /// One for each case, such as `secret/02`.
    pub(crate) names: Vec<String>,
    /// Everything but a time limit that nobody has set.
    pub(crate) settings: Settings,
    /// Where `settings.timeout_ms` was found, for people.
    pub(crate) time_limit_from: Option<&'static str>,
    pub(crate) time_rule: TimeRule,
    /// The largest program in bytes.
    pub(crate) code_bytes: Option<u64>,
    /// What was passed over, for people.
    pub(crate) notes: Vec<String>,
    /// Constants whose uses in a program stand for their values.
    constants: Vec<String>,
}

/// Whether a folder is a problem's: it has its tests in `data`.
pub(crate) fn is_package(folder: &Path) -> bool {
    folder.join("data").is_dir()
}

impl Package {
    pub(crate) fn read(folder: &Path) -> Result<Self, Failure> {
        validate_tree(folder)?;
        let mut notes = Notes::default();
        tell_misspelt(folder, &mut notes)?;
        let metadata = metadata::read(folder, &mut notes)?;
        refuse_parts(folder, &metadata, &mut notes)?;
        let tests = data::read(&folder.join("data"), &metadata, &mut notes)?;
        let mut settings = metadata.settings;
        settings.args = tests.args;
        settings.checker = settings.checker.or(tests.checker);
        Ok(Self {
            name: metadata.name,
            format: metadata.format,
            cases: tests.cases,
            names: tests.names,
            settings,
            time_limit_from: metadata.time_limit_from,
            time_rule: metadata.time_rule,
            code_bytes: metadata.code_bytes,
            notes: notes.into_lines(),
            constants: metadata.constants,
        })
    }

    /// A constant that this text uses.
    pub(crate) fn constant_in(&self, text: &[u8]) -> Option<&str> {
        used_constant(&self.constants, text)
    }
}

/// Folders whose content takes part in grading, where we cannot let it.
fn refuse_parts(folder: &Path, metadata: &metadata::Metadata, notes: &mut Notes) -> Result<(), Failure> {
    let has = |name: &str| {
        let content = folder.join(name).read_dir().into_iter().flatten().flatten();
        content
            .into_iter()
            .any(|entry| !entry.file_name().to_string_lossy().starts_with('.'))
    };
    let refuse = |part: &str, what: &str| {
        Err(Failure::usage(format!(
            "{}: {what} cannot be honoured yet",
            folder.join(part).display()
        )))
    };
    if has("include") {
        return refuse("include", "files to be compiled with every submission");
    }
    if has("static_validator") {
        if metadata.format != PackageFormat::Legacy {
            return refuse("static_validator", "a program that judges sources");
        }
        notes.say("static_validator/: not run; this version of the format has none".to_owned());
    }
    if has("graders") {
        let why = match metadata.format {
            PackageFormat::Legacy => "where one is used, testdata.yaml says grading: custom",
            _ => "this version of the format has none",
        };
        notes.say(format!("graders/: not run; {why}"));
    }
    // Whoever wrote `optimus: checker` has said what is to take the validator's place.
    if metadata.settings.checker.is_some() {
        return Ok(());
    }
    if metadata.validation == Validation::Custom {
        return refuse(
            "problem.yaml",
            "validation: custom, an output validator of its own,",
        );
    }
    for part in ["output_validator", "output_validators"]
        .into_iter()
        .filter(|part| has(part))
    {
        if metadata.format != PackageFormat::Legacy {
            return refuse(part, "an output validator of its own");
        }
        notes.say(format!(
            "{part}/: not run; in this version of the format problem.yaml would say validation: custom"
        ));
    }
    Ok(())
}

/// Names of the package's own folder that say something about grading.
const KNOWN: [&str; 10] = [
    "problem.yaml",
    "domjudge-problem.ini",
    "data",
    "submissions",
    "include",
    "graders",
    "static_validator",
    "output_validator",
    "output_validators",
    "input_validators",
];

/// What is nearly called as something that would have been looked at.
fn tell_misspelt(folder: &Path, notes: &mut Notes) -> Result<(), Failure> {
    for (name, _) in entries_of(folder)? {
        let lower = name.to_ascii_lowercase().replace(".yml", ".yaml");
        if !KNOWN.contains(&name.as_str())
            && let Some(known) = KNOWN.iter().find(|known| **known == lower)
        {
            notes.say(format!("{name}: not looked at; the format has {known}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
