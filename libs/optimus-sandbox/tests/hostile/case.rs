//! Cases as they stand in `cases/<group>/cases.toml`: data, and one program each.

use std::{
    collections::BTreeSet,
    env, fs, io,
    path::{Path, PathBuf},
};

use optimus_common::result::{CompileVerdict, Verdict};
use serde::Deserialize;

use crate::stage::Kind;

/// Attacks that aim at the same thing.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Group {
    #[serde(skip)]
    pub(crate) name: String,
    pub(crate) title: String,
    /// What the attacks are after, in a sentence.
    pub(crate) aims_at: String,
    /// What stands against them, for people.
    pub(crate) layers: Vec<String>,
    #[serde(rename = "case")]
    pub(crate) cases: Vec<Case>,
}

/// One attack.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    #[serde(skip)]
    pub(crate) group: String,
    pub(crate) name: String,
    /// Its file beside `cases.toml`. The extension tells the language.
    pub(crate) program: String,
    /// What it does, in half a sentence.
    pub(crate) tries: String,
    /// Of the tests whose input is the attack. Nothing where it must not even compile.
    pub(crate) verdict: Option<Expected>,
    pub(crate) layers: Vec<String>,
    /// The kind of boxes in which it is stopped, if it is not in all.
    pub(crate) only: Option<Kind>,
    /// Goes on while honest programs run beside it, again and again: see `storms.rs`.
    #[serde(default)]
    pub(crate) storm: bool,
    /// Layers each of which, taken away, makes this case fail.
    #[serde(default)]
    pub(crate) breaks_without: Vec<String>,
    #[serde(default = "ok")]
    pub(crate) compile: CompileVerdict,
    /// A shell script of the same folder that is the compile step, in place of the language's own.
    pub(crate) compile_by: Option<String>,
    pub(crate) compile_timeout_ms: Option<u64>,
    pub(crate) timeout_ms: Option<u64>,
    pub(crate) wall_timeout_ms: Option<u64>,
    pub(crate) memory_limit_mb: Option<u64>,
    pub(crate) output_limit_bytes: Option<u64>,
    #[serde(default)]
    pub(crate) args: Vec<String>,
    /// Files of the same folder that go along with the program.
    #[serde(default)]
    pub(crate) files: Vec<String>,
    /// Bytes after the first line of an attack's input.
    #[serde(default)]
    pub(crate) input_bytes: usize,
    #[serde(default = "usual_tests")]
    pub(crate) tests: Vec<Test>,
}

/// What the program is asked for in one test of its job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Test {
    /// To look around for what other tests have left, and to say a number.
    Honest,
    Attack,
    /// To say nothing where a secret is expected.
    Answer,
}

/// The verdicts that are right.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum Expected {
    Everywhere(OneOf),
    ByKind { docker: OneOf, native: OneOf },
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum OneOf {
    One(Verdict),
    Several(Vec<Verdict>),
}

fn ok() -> CompileVerdict {
    CompileVerdict::Ok
}

/// With honest neighbours on both sides, and a secret to be found.
fn usual_tests() -> Vec<Test> {
    vec![Test::Honest, Test::Attack, Test::Honest, Test::Answer]
}

impl OneOf {
    pub(crate) fn verdicts(&self) -> &[Verdict] {
        match self {
            Self::One(verdict) => std::slice::from_ref(verdict),
            Self::Several(verdicts) => verdicts,
        }
    }
}

impl Expected {
    pub(crate) fn on(&self, kind: Kind) -> &[Verdict] {
        match (self, kind) {
            (Self::Everywhere(one), _)
            | (Self::ByKind { docker: one, .. }, Kind::Docker)
            | (Self::ByKind { native: one, .. }, Kind::Native) => one.verdicts(),
        }
    }
}

impl Case {
    pub(crate) fn is_for(&self, kind: Kind) -> bool {
        self.only.is_none_or(|only| only == kind)
    }

    /// As its test is called, after the kind of boxes.
    pub(crate) fn full_name(&self) -> String {
        format!("{}::{}", self.group, self.name)
    }

    /// The program's text, and those of the files that go along, by name.
    pub(crate) fn read(&self, file: &str) -> String {
        let path = folder(&self.group).join(file);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }
}

fn folder(group: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/hostile/cases")
        .join(group)
}

/// Names of what is in a folder.
fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    entries
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .iter()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

/// All groups with their cases. Panics where one of them is not as it should be.
pub(crate) fn load() -> Vec<Group> {
    names(&folder(""))
        .iter()
        // The others hold what other parts of the suite need.
        .filter(|name| folder(name).join("cases.toml").exists())
        .map(|name| load_group(name))
        .collect()
}

/// The cases that `OPTIMUS_HOSTILE_CASES` names, such as `files::a-sparse-file resources::fork-bomb`; all of them where it is not
/// set. Panics where one of the names is that of no case, which would otherwise be left out without a word.
pub(crate) fn chosen(mut groups: Vec<Group>) -> Vec<Group> {
    let Ok(names) = env::var("OPTIMUS_HOSTILE_CASES") else {
        return groups;
    };
    let mut names: BTreeSet<_> = names.split_ascii_whitespace().collect();
    for group in &mut groups {
        group.cases.retain(|case| names.remove(case.full_name().as_str()));
    }
    assert!(names.is_empty(), "there is no such case: {names:?}");
    groups
}

fn load_group(name: &str) -> Group {
    let file = folder(name).join("cases.toml");
    let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let mut group: Group =
        toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    name.clone_into(&mut group.name);
    let mut taken = BTreeSet::new();
    for case in &mut group.cases {
        name.clone_into(&mut case.group);
        let whole = case.full_name();
        assert!(taken.insert(case.name.clone()), "{whole} is there twice");
        assert_eq!(
            case.verdict.is_none(),
            case.compile == CompileVerdict::CompilationError,
            "{whole} needs a verdict, or must not compile"
        );
    }
    group
}

impl Group {
    /// Files that no case names, and names without a file.
    pub(crate) fn odd_files(&self) -> Vec<String> {
        let mut used = BTreeSet::from(["cases.toml".to_owned()]);
        for case in &self.cases {
            used.insert(case.program.clone());
            used.extend(case.files.iter().cloned());
            used.extend(case.compile_by.iter().cloned());
        }
        let there = names(&folder(&self.name));
        there.symmetric_difference(&used).cloned().collect()
    }
}
