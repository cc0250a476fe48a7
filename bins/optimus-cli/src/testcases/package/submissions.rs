//! The package's own programs, with what each must get.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    entries::entries_of,
    format::PackageFormat,
    glob::Glob,
    rules::{Expectation, Judgement, Of, Rule},
    tag,
    yaml::Section,
};
use crate::{exit::Failure, programs::folder_of};

const FOLDER: &str = "submissions";
const FILE: &str = "submissions.yaml";

/// Folders whose name alone decides, whatever a program's own tag says.
const OFFICIAL: [&str; 4] = [
    "accepted",
    "wrong_answer",
    "time_limit_exceeded",
    "run_time_error",
];
/// Accepted with less than the full score, which only scoring problems know.
const PARTIAL: &str = "partially_accepted";

/// The folder `submissions` of a package.
#[derive(Debug)]
pub(crate) struct Submissions {
    folder: PathBuf,
    format: PackageFormat,
    entries: Vec<Entry>,
}

/// A program of the package's.
#[derive(Debug, Clone)]
pub(crate) struct ListedProgram {
    /// Its folder and its own name, such as `accepted/sum.py`.
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    /// As the package names it, such as `python3`.
    pub(crate) language: Option<String>,
    pub(crate) entry_point: Option<String>,
    expectation: Expectation,
    tag: Tag,
}

/// Whether a program's own tag says what is expected of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tag {
    Counts,
    Ignored,
}

/// What `submissions.yaml` says of the programs that match a pattern.
#[derive(Debug)]
struct Entry {
    pattern: String,
    glob: Glob,
    language: Option<String>,
    starts_with: Option<String>,
    demands: Demands,
    /// The same for a part of the tests.
    scoped: Vec<(Glob, Demands)>,
}

#[derive(Debug, Default)]
struct Demands {
    permitted: Option<Vec<Judgement>>,
    required: Option<Vec<Judgement>>,
    bounds_time: BoundsTime,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum BoundsTime {
    /// Where none of the tests may be too slow.
    #[default]
    ByVerdicts,
    Always,
    Never,
}

/// What a program outside of the package's folders, or without a word about it there, says of itself.
pub(crate) fn tagged<'a>(sources: impl Iterator<Item = &'a [u8]>) -> Result<Option<Expectation>, String> {
    Ok(tag::find(sources)?.map(|verdicts| Expectation::tagged(&verdicts)))
}

impl ListedProgram {
    /// What the program must get.
    pub(crate) fn expectation<'a>(
        &self,
        sources: impl Iterator<Item = &'a [u8]>,
    ) -> Result<Expectation, String> {
        let tagged = match self.tag {
            Tag::Counts => tagged(sources)?,
            Tag::Ignored => None,
        };
        Ok(tagged.unwrap_or_else(|| self.expectation.clone()))
    }
}

impl Submissions {
    pub(crate) fn read(problem: &Path, format: PackageFormat) -> Result<Self, Failure> {
        let folder = problem.join(FOLDER);
        let section = match format {
            PackageFormat::Legacy => None,
            PackageFormat::Of2023 | PackageFormat::Of2025 => {
                Section::read_if_there(&folder.join(FILE), FILE)?
            }
        };
        let entries = if let Some(section) = section {
            section
                .sections()
                .map(|section| {
                    let (pattern, section) = section?;
                    entry(pattern, &section)
                })
                .collect::<Result<_, _>>()?
        } else {
            Vec::new()
        };
        Ok(Self {
            folder,
            format,
            entries,
        })
    }

    /// Every program, in the order of their names; and what was left out, for people.
    pub(crate) fn all(&self) -> Result<(Vec<ListedProgram>, Vec<String>), Failure> {
        let mut programs = Vec::new();
        let mut left_out = Vec::new();
        for (group, path) in entries_of(&self.folder)? {
            if path.is_dir() && group != PARTIAL {
                for name in taken_for_not_there(&path) {
                    left_out.push(format!(
                        "{FOLDER}/{group}/{name}: the format takes what is called so for not there"
                    ));
                }
                for (name, path) in entries_of(&path)? {
                    programs.push(self.listed(&group, &name, path));
                }
            } else if group == PARTIAL {
                left_out.push(format!("{FOLDER}/{group}: for scoring problems alone"));
            } else if group != FILE {
                left_out.push(format!("{FOLDER}/{group}: it is in none of the folders"));
            } else if self.format == PackageFormat::Legacy {
                left_out.push(format!("{FOLDER}/{FILE}: this version of the format has none"));
            }
        }
        for entry in &self.entries {
            if !programs.iter().any(|program| entry.glob.matches(&program.name)) {
                left_out.push(format!("{FILE}: {}: no program is called so", entry.pattern));
            }
        }
        Ok((programs, left_out))
    }

    /// The program at this path, where it is one of the package's. A link to one of them is none.
    pub(crate) fn at(&self, path: &Path) -> Option<ListedProgram> {
        let folder = self.folder.canonicalize().ok()?;
        let full = match path.file_name() {
            Some(name) => folder_of(path).canonicalize().ok()?.join(name),
            None => path.canonicalize().ok()?,
        };
        let inner = full.strip_prefix(folder).ok()?;
        let names: Vec<_> = inner.iter().map(|name| name.to_string_lossy()).collect();
        match &names[..] {
            [group, name] if group != PARTIAL => Some(self.listed(group, name, path.to_owned())),
            _ => None,
        }
    }

    fn listed(&self, group: &str, name: &str, path: PathBuf) -> ListedProgram {
        let full = format!("{group}/{name}");
        let matching: Vec<_> = self
            .entries
            .iter()
            .filter(|entry| entry.glob.matches(&full))
            .collect();
        let last = |value: fn(&Entry) -> &Option<String>| {
            matching.iter().rev().find_map(|entry| value(entry).clone())
        };
        let said = matching.iter().any(|entry| entry.says_something());
        let expectation = if said {
            self.by_entries(group, &matching)
        } else {
            Expectation::of_folder(group, self.format).unwrap_or_else(|| Expectation::anything(group))
        };
        let tag = if said || OFFICIAL.contains(&group) {
            Tag::Ignored
        } else {
            Tag::Counts
        };
        ListedProgram {
            language: last(|entry| &entry.language),
            entry_point: last(|entry| &entry.starts_with),
            name: full,
            path,
            expectation,
            tag,
        }
    }

    /// The folder's own rule, in which the entry of just its name replaces what it gives, and a rule more for each
    /// other entry.
    fn by_entries(&self, group: &str, matching: &[&Entry]) -> Expectation {
        let base = match Expectation::of_folder(group, self.format).map(|expectation| expectation.of) {
            Some(Of::Tests(rules)) => rules.into_iter().next().unwrap_or_else(Rule::any),
            Some(Of::Job(_)) | None => Rule::any(),
        };
        let own = matching.iter().find(|entry| entry.pattern == group);
        let mut rules = vec![match own {
            Some(entry) => entry.demands.rule(base, None),
            None => base,
        }];
        for entry in matching {
            if entry.pattern != group && entry.demands.say_something() {
                rules.push(entry.demands.rule(Rule::any(), None));
            }
            for (scope, demands) in &entry.scoped {
                rules.push(demands.rule(Rule::any(), Some(scope.clone())));
            }
        }
        Expectation {
            label: group.to_owned(),
            of: Of::Tests(rules),
        }
    }
}

impl Entry {
    fn says_something(&self) -> bool {
        self.demands.say_something() || !self.scoped.is_empty()
    }
}

impl Demands {
    fn say_something(&self) -> bool {
        self.permitted.is_some() || self.required.is_some() || self.bounds_time != BoundsTime::ByVerdicts
    }

    fn rule(&self, base: Rule, scope: Option<Glob>) -> Rule {
        let permitted = self.permitted.clone().unwrap_or(base.permitted);
        Rule {
            scope,
            bounds_time: match self.bounds_time {
                BoundsTime::ByVerdicts => !permitted.contains(&Judgement::TooSlow),
                BoundsTime::Always => true,
                BoundsTime::Never => false,
            },
            permitted,
            required: self.required.clone().unwrap_or(base.required),
        }
    }
}

const TOO_MANY: &str = "is too long, or has too many combinations of alternatives";

const DEMANDS: &[&str] = &["permitted", "required", "score", "message", "use_for_time_limit"];
const ABOUT: &[&str] = &["language", "entrypoint", "authors", "model_solution"];

fn entry(pattern: &str, section: &Section) -> Result<Entry, Failure> {
    let mut scoped = Vec::new();
    for key in section.keys() {
        if !DEMANDS.contains(&key) && !ABOUT.contains(&key) {
            let part = section.section(key)?;
            part.allow_only(&[DEMANDS])?;
            let scope = Glob::new(key).ok_or_else(|| section.refuse(key, TOO_MANY))?;
            scoped.push((scope, demands(&part)?));
        }
    }
    Ok(Entry {
        pattern: pattern.to_owned(),
        glob: Glob::new(pattern).ok_or_else(|| Failure::usage(format!("{FILE}: {pattern}: {TOO_MANY}")))?,
        language: section.text("language")?,
        starts_with: section.text("entrypoint")?,
        demands: demands(section)?,
        scoped,
    })
}

fn demands(section: &Section) -> Result<Demands, Failure> {
    const TIME: &str = "use_for_time_limit";
    if let Some(key) = ["score", "message"]
        .into_iter()
        .find(|key| section.get(key).is_some())
    {
        return Err(section.refuse(key, "cannot be honoured yet"));
    }
    let judgements = |key| {
        let Some(words) = section.words(key)? else {
            return Ok(None);
        };
        let judgements: Option<Vec<_>> = words.iter().map(|word| Judgement::parse(word)).collect();
        judgements
            .map(Some)
            .ok_or_else(|| section.refuse(key, "knows AC, WA, TLE and RTE"))
    };
    Ok(Demands {
        permitted: judgements("permitted")?,
        required: judgements("required")?,
        bounds_time: match section.word_or_truth(TIME)?.as_deref() {
            // An upper bound is not looked at.
            None | Some("true" | "upper") => BoundsTime::ByVerdicts,
            Some("lower") => BoundsTime::Always,
            Some("false") => BoundsTime::Never,
            Some(_) => return Err(section.refuse(TIME, "knows true, false, lower and upper")),
        },
    })
}

/// Names that [`entries_of`] leaves out and that somebody may mean all the same. Everybody knows what a dot means.
fn taken_for_not_there(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with('-'))
        .collect();
    names.sort();
    names
}
