//! `languages.json`: which languages there are, and the recipe by which each one is compiled and run.
//!
//! A language is data. Neither the agent nor `runner.sh` knows any of them.

mod host;
mod languages_file;
mod sources;

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Component, Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{ids::LanguageName, no_duplicate_keys, shape};

pub use self::{
    host::HostToolchain,
    languages_file::LanguagesFile,
    sources::{as_listed, of_file, with_extension_of},
};

/// One entry of `languages.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self", expecting = "an object")]
pub struct Language {
    pub name: LanguageName,
    /// The version the official base image carries, for people; what is really installed is asked of the image.
    pub version: String,
    /// The image boxes are made from, such as `optimus/python:3.12`.
    pub image: String,
    /// Relative to the folder that holds `config/`.
    pub dockerfile_path: PathBuf,
    pub execution: Execution,
    /// The Redis list of waiting jobs: `optimus:queue:<name>`.
    pub queue_name: String,
    /// Default memory limit of a run, in MiB, before `execution.memory_allowance_mb`.
    pub memory_limit_mb: u64,
    /// CPUs a box may use at once.
    pub cpu_limit: f64,
    #[serde(default)]
    pub resources: Resources,
    #[serde(default)]
    pub concurrency: Concurrency,
    /// How the image is built.
    pub build: Build,
    /// How native boxes come by its toolchain.
    #[serde(default, skip_serializing_if = "HostToolchain::is_default")]
    pub host: HostToolchain,
}

/// The recipe. Arguments may contain the placeholders of [`Placeholders`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self", expecting = "an object")]
pub struct Execution {
    /// The program of every run; `args` follow it, then the submission's own.
    pub command: String,
    #[serde(default)]
    pub args: Vec<String>,
    /// With its dot, such as `.py`: that of `source_name`.
    pub file_extension: String,
    /// What its sources may end in as well, such as `.cc`. In lower case it stands for any case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_extensions: Vec<String>,
    /// The name `source_code` is stored under, such as `main.py`.
    pub source_name: String,
    /// A program that copies one line from its input to its output. The language is available only where it has run in a
    /// box; without it, where what the recipe calls could be started on an empty program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample: Option<String>,
    /// The compile step's program and arguments; empty for a language without one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub compile: Vec<String>,
    /// Environment of the compile step and of every run.
    #[serde(
        default,
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "no_duplicate_keys::string_map"
    )]
    pub env: BTreeMap<String, String>,
    /// Applied to the time limits of a run.
    #[serde(default = "one")]
    pub time_multiplier: f64,
    /// Added to a run's memory limit for what the runtime itself needs, in MiB.
    #[serde(default)]
    pub memory_allowance_mb: u64,
    /// How the runtime ends when it is out of memory. Any one that matches is believed of a run that has used memory.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub out_of_memory: Vec<OutOfMemory>,
}

/// One way a runtime ends when it is out of memory. One of the first two fields is given, and one of the next two; all
/// that are given must match, and the run must have used memory beside: words and exit codes are anybody's.
///
/// A `*` in a line stands for any characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self", expecting = "an object")]
pub struct OutOfMemory {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// A signal's name, such as `SIGABRT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<String>,
    /// The last line of standard error, the indented and the empty ones left out: what follows a message, as a stack
    /// trace does, is indented in most languages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stderr_last_line: Option<String>,
    /// A line near the end of standard error, for a runtime that goes on to tell of its threads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stderr_line: Option<String>,
    /// What the runtime uses when it has just started, in MiB.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub runtime_mb: u64,
}

/// What a box of this language may use beside memory and CPU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, remote = "Self", expecting = "an object")]
pub struct Resources {
    /// Processes and threads at once.
    pub processes: u32,
    pub open_files: u32,
    /// Size of one file that a run writes, and of everything it writes to the work directory and `/tmp`, in MiB.
    pub disk_mb: u64,
    /// Memory of the compile step, in MiB, which is also the most that it may write.
    pub compile_memory_mb: u64,
    /// The container runtime, such as `runsc`; the engine's default where it is empty.
    pub runtime: String,
}

impl Default for Resources {
    fn default() -> Self {
        Self {
            processes: 64,
            open_files: 256,
            disk_mb: 64,
            compile_memory_mb: 512,
            runtime: String::new(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, remote = "Self", expecting = "an object")]
pub struct Concurrency {
    /// Boxes of one worker at once.
    pub max_parallel_jobs: u32,
    /// Runs of one box at once. Above 1 the runs of one job share the box's memory and CPUs.
    pub max_parallel_tests: u32,
}

impl Default for Concurrency {
    fn default() -> Self {
        Self {
            max_parallel_jobs: 2,
            max_parallel_tests: 1,
        }
    }
}

/// How an image is made: from an official image, or from a plain Debian with packages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self", expecting = "an object")]
pub struct Build {
    /// The official image, such as `python:3.12-slim`.
    pub base_image: String,
    /// Installed where the base is a plain Debian.
    #[serde(default)]
    pub debian_packages: Vec<String>,
    /// Prints the toolchain's version; run by `sh -c` when the image is built.
    pub version_command: String,
}

shape::objects!(
    Language,
    Execution,
    OutOfMemory,
    Resources,
    Concurrency,
    Build,
    Languages,
);

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn one() -> f64 {
    1.0
}

/// What stands in place of `{source}`, `{entry_point}`, `{sources}`, `{memory_mb}` in a recipe's arguments.
#[derive(Debug, Clone)]
pub struct Placeholders<'a> {
    /// `{source}`: the file that is started with, relative to the work directory.
    pub source: &'a str,
    /// `{entry_point}`: as an argument of its own, that file where the submission names one, else nothing. For compile
    /// steps that choose by themselves.
    pub entry_point: Option<&'a str>,
    /// `{sources}`: as an argument of its own, becomes one argument for each source of the language.
    pub sources: &'a [String],
    /// `{memory_mb}`: the run's memory limit without the allowance, in MiB.
    pub memory_mb: u64,
}

impl Placeholders<'_> {
    pub const NAMES: [&'static str; 4] = ["{source}", "{entry_point}", "{sources}", "{memory_mb}"];
    const OF_THEIR_OWN: [&'static str; 2] = ["{entry_point}", "{sources}"];

    /// A word in braces that looks like one of them and is none: it would be left as it is.
    pub fn unknown_in(template: &[String]) -> Option<&str> {
        template.iter().find_map(|arg| {
            arg.match_indices('{').find_map(|(start, _)| {
                let length = arg[start..].find('}')?;
                let word = &arg[start..=start + length];
                let inside = &word[1..length];
                let plain = inside.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
                (plain && !inside.is_empty() && !Self::NAMES.contains(&word)).then_some(word)
            })
        })
    }

    /// One that stands for whole arguments, and the word in which something else stands beside it: it would be left as
    /// it is.
    pub fn misplaced_in(template: &[String]) -> Option<(&'static str, &str)> {
        template.iter().find_map(|arg| {
            let mut names = Self::OF_THEIR_OWN.into_iter();
            let name = names.find(|name| arg.contains(name) && arg != name)?;
            Some((name, arg.as_str()))
        })
    }

    pub fn expand(&self, template: &[String]) -> Vec<String> {
        let mut expanded = Vec::with_capacity(template.len());
        for arg in template {
            if arg == "{sources}" {
                expanded.extend(self.sources.iter().cloned());
            } else {
                // A file's name comes from outside: replaced last, so that nothing in it is replaced again.
                let arg = arg.replace("{memory_mb}", &self.memory_mb.to_string());
                expanded.push(match arg.as_str() {
                    "{entry_point}" => self.entry_point.unwrap_or_default().to_owned(),
                    _ => arg.replace("{source}", self.source),
                });
            }
        }
        expanded
    }
}

/// The file as a whole.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self", expecting = "an object")]
pub struct Languages {
    pub languages: Vec<Language>,
}

#[derive(Debug, thiserror::Error)]
pub enum LanguagesError {
    #[error("cannot read {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} is not a valid list of languages", path.display())]
    Parse {
        path: PathBuf,
        source: serde_json::Error,
    },
    #[error("language {language}: {problem}")]
    Invalid { language: LanguageName, problem: String },
}

impl Languages {
    pub fn load(path: &Path) -> Result<Self, LanguagesError> {
        let text = fs::read_to_string(path).map_err(|source| LanguagesError::Read {
            path: path.to_owned(),
            source,
        })?;
        let languages: Self = serde_json::from_str(&text).map_err(|source| LanguagesError::Parse {
            path: path.to_owned(),
            source,
        })?;
        languages.validate()?;
        Ok(languages)
    }

    /// The text of the file.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("it has no keys but text");
        text.push('\n');
        text
    }

    pub fn get(&self, name: &LanguageName) -> Option<&Language> {
        self.languages.iter().find(|language| language.name == *name)
    }

    /// Checks what the types cannot say.
    pub fn validate(&self) -> Result<(), LanguagesError> {
        for (i, language) in self.languages.iter().enumerate() {
            let problem = if self.languages[..i]
                .iter()
                .any(|other| other.name == language.name)
            {
                Some("is listed twice; each language needs a name of its own".to_owned())
            } else {
                language.problem()
            };
            if let Some(problem) = problem {
                return Err(LanguagesError::Invalid {
                    language: language.name.clone(),
                    problem,
                });
            }
        }
        Ok(())
    }
}

impl Resources {
    /// Size of each file system that the compile step can write to: what it writes is memory, and counts as such.
    pub fn compile_disk_bytes(&self) -> u64 {
        self.disk_mb.max(self.compile_memory_mb).saturating_mul(1 << 20)
    }
}

impl Language {
    /// The list its jobs wait in.
    pub fn queue_name_of(name: &LanguageName) -> String {
        format!("optimus:queue:{name}")
    }

    fn problem(&self) -> Option<String> {
        let positive = [
            ("memory_limit_mb", self.memory_limit_mb),
            ("resources.processes", self.resources.processes.into()),
            ("resources.open_files", self.resources.open_files.into()),
            ("resources.disk_mb", self.resources.disk_mb),
            ("resources.compile_memory_mb", self.resources.compile_memory_mb),
            (
                "concurrency.max_parallel_jobs",
                self.concurrency.max_parallel_jobs.into(),
            ),
            (
                "concurrency.max_parallel_tests",
                self.concurrency.max_parallel_tests.into(),
            ),
        ];
        if let Some((field, _)) = positive.iter().find(|(_, value)| *value == 0) {
            return Some(format!("{field} must be at least 1"));
        }
        let finite = [
            ("cpu_limit", self.cpu_limit),
            ("execution.time_multiplier", self.execution.time_multiplier),
        ];
        if let Some((field, _)) = finite
            .iter()
            .find(|(_, value)| !(*value > 0.0 && value.is_finite()))
        {
            return Some(format!("{field} must be a number above 0"));
        }
        let texts = [
            ("image", &self.image),
            ("execution.command", &self.execution.command),
            ("build.version_command", &self.build.version_command),
        ];
        if let Some((field, _)) = texts.iter().find(|(_, value)| value.trim().is_empty()) {
            return Some(format!("{field} must not be empty"));
        }
        let packages = self.build.debian_packages.iter();
        let single_lines = [
            ("version", &self.version),
            ("image", &self.image),
            ("build.base_image", &self.build.base_image),
            ("build.version_command", &self.build.version_command),
        ];
        let single_lines = single_lines
            .into_iter()
            .chain(packages.map(|package| ("build.debian_packages", package)));
        // They become parts of lines in Dockerfiles.
        if let Some((field, _)) = single_lines
            .into_iter()
            .find(|(_, value)| value.contains(char::is_control))
        {
            return Some(format!("{field} must not contain control characters"));
        }
        let mut parts = self.dockerfile_path.components();
        if !parts.all(|part| matches!(part, Component::Normal(_))) {
            return Some("dockerfile_path must be relative and must not contain '..'".to_owned());
        }
        if let Some(extension) = self.execution.extensions().find(|all| !all.starts_with('.')) {
            return Some(format!(
                "execution: the file extension {extension:?} must start with a dot"
            ));
        }
        if self.execution.source_name.contains('/') || self.execution.source_name.is_empty() {
            return Some("execution.source_name must be a plain file name".to_owned());
        }
        if self.queue_name != Self::queue_name_of(&self.name) {
            return Some(format!(
                "queue_name must be {:?}",
                Self::queue_name_of(&self.name)
            ));
        }
        let vague = |rule: &OutOfMemory| {
            rule.exit_code.is_none() && rule.signal.is_none()
                || rule.stderr_last_line.is_none() && rule.stderr_line.is_none()
        };
        if self.execution.out_of_memory.iter().any(vague) {
            return Some(
                "execution.out_of_memory needs, in each rule, an exit_code or a signal, and a stderr_last_line or a stderr_line"
                    .to_owned(),
            );
        }
        self.host.problem()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(items: &[&str]) -> Vec<String> {
        items.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn placeholders_are_expanded_once() {
        let sources = strings(&["a {memory_mb}.c", "b.c"]);
        let placeholders = Placeholders {
            source: "{memory_mb}.c",
            entry_point: None,
            sources: &sources,
            memory_mb: 64,
        };
        assert_eq!(
            placeholders.expand(&strings(&["cc", "-m{memory_mb}", "./{source}", "{sources}"])),
            strings(&["cc", "-m64", "./{memory_mb}.c", "a {memory_mb}.c", "b.c"]),
        );
        let named = Placeholders {
            entry_point: Some("{source}.c"),
            ..placeholders.clone()
        };
        let template = strings(&["cc", "{entry_point}"]);
        assert_eq!(placeholders.expand(&template), strings(&["cc", ""]));
        assert_eq!(named.expand(&template), strings(&["cc", "{source}.c"]));
    }

    fn shipped() -> Languages {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/languages.json");
        Languages::load(&path).unwrap()
    }

    /// Who adds a language must find that one in a diff, and nothing else.
    #[test]
    fn the_shipped_file_is_written_as_it_is_read() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/languages.json");
        let text = fs::read_to_string(path).unwrap();
        assert_eq!(shipped().to_json(), text);
    }

    #[test]
    fn words_in_braces_are_placeholders_or_mistakes() {
        let unknown = |words: &[&str]| Placeholders::unknown_in(&strings(words)).map(str::to_owned);
        for words in [
            &["cc", "{source}", "-m{memory_mb}", "{entry_point}", "{sources}"][..],
            &[
                "awk",
                "{ print }",
                "{print $1}",
                "{}",
                "${source}",
                "{{.X}}",
                "}{",
            ],
        ] {
            assert_eq!(unknown(words), None, "{words:?}");
        }
        assert_eq!(unknown(&["foo", "{src}"]).as_deref(), Some("{src}"));
        assert_eq!(unknown(&["-m={memory}MiB"]).as_deref(), Some("{memory}"));
        assert_eq!(unknown(&["{source}{file_name}"]).as_deref(), Some("{file_name}"));
    }

    #[test]
    fn placeholders_of_whole_arguments_stand_alone() {
        let misplaced = |words: &[&str]| {
            Placeholders::misplaced_in(&strings(words)).map(|(name, word)| (name, word.to_owned()))
        };
        for (word, name) in [
            ("{sources}x", "{sources}"),
            ("--entry={entry_point}", "{entry_point}"),
            ("{sources} {sources}", "{sources}"),
        ] {
            assert_eq!(
                misplaced(&["cc", "{sources}", word]),
                Some((name, word.to_owned()))
            );
        }
        assert_eq!(
            misplaced(&["cc", "{sources}", "{entry_point}", "-o{source}"]),
            None
        );
        for language in shipped().languages {
            let Execution { args, compile, .. } = language.execution;
            assert_eq!(Placeholders::misplaced_in(&[args, compile].concat()), None);
        }
    }

    #[test]
    fn an_entry_stays_in_the_project_and_in_its_lines() {
        let changes: [fn(&mut Language); 5] = [
            |language| language.dockerfile_path = "../other/Dockerfile".into(),
            |language| language.dockerfile_path = "/etc/Dockerfile".into(),
            |language| language.build.base_image.push_str("\nRUN x"),
            |language| language.build.version_command.push_str("\nRUN x"),
            |language| language.build.debian_packages.push("a\nRUN x".to_owned()),
        ];
        for change in changes {
            let mut languages = shipped();
            change(&mut languages.languages[0]);
            assert!(languages.validate().is_err(), "{:?}", languages.languages[0]);
        }
    }

    #[test]
    fn a_runtime_without_memory_is_known_by_its_end_and_its_words() {
        let rule = |json: &str| serde_json::from_str::<OutOfMemory>(json).unwrap();
        for (rule, valid) in [
            (rule(r#"{"exit_code": 1, "stderr_last_line": "x"}"#), true),
            (rule(r#"{"signal": "SIGABRT", "stderr_line": "x"}"#), true),
            (rule(r#"{"exit_code": 1}"#), false),
            (rule(r#"{"stderr_last_line": "x"}"#), false),
        ] {
            let mut languages = shipped();
            languages.languages[0].execution.out_of_memory = vec![rule.clone()];
            assert_eq!(languages.validate().is_ok(), valid, "{rule:?}");
        }
    }

    #[test]
    fn an_entry_says_what_it_says_by_names_that_stand_once() {
        let shipped = serde_json::to_value(shipped()).unwrap();
        let refused = |at: &str, value: serde_json::Value| {
            let mut languages = shipped.clone();
            *languages.pointer_mut(at).unwrap() = value;
            let error = serde_json::from_value::<Languages>(languages).unwrap_err();
            assert!(error.to_string().contains("expected an object"), "{at}: {error}");
        };
        for at in ["", "/languages/0", "/languages/0/execution", "/languages/0/build"] {
            refused(at, serde_json::json!(["python", "3.12"]));
        }
        refused(
            "/languages/0/resources",
            serde_json::json!([64, 256, 64, 512, ""]),
        );
        refused("/languages/0/concurrency", serde_json::json!([2, 1]));
        let twice = serde_json::to_string(&shipped).unwrap().replacen(
            "\"env\":{",
            "\"env\":{\"X\":\"1\",\"X\":\"2\",",
            1,
        );
        let error = serde_json::from_str::<Languages>(&twice).unwrap_err();
        assert!(error.to_string().contains("duplicate field `X`"), "{error}");
    }

    #[test]
    fn the_shipped_file_is_valid() {
        let languages = shipped();
        for name in ["python", "java", "rust", "cpp", "c", "go", "javascript"] {
            assert!(languages.get(&name.parse().unwrap()).is_some(), "{name}");
        }
    }
}
