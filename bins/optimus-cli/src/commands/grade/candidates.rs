//! The programs to grade, and what each must get.

use std::path::Path;

use optimus_common::{LanguageName, counted, language::Languages, submission::SubmissionLimits};

use crate::{
    args::ToGrade,
    exit::Failure,
    output::note,
    programs::{Place, Program},
    testcases::{
        Package,
        package::{Expectation, ListedProgram, Submissions, tagged},
    },
};

/// The format's names of languages that have another one here.
const OTHER_NAMES: [(&str, &str); 2] = [("python3", "python"), ("js", "javascript")];

/// A program on its way to a verdict.
#[derive(Debug)]
pub(super) struct Candidate {
    /// For people.
    pub(super) name: String,
    /// Or why there is none.
    pub(super) program: Result<Program, String>,
    /// Nothing is expected but to be accepted where there is none.
    pub(super) expectation: Option<Expectation>,
}

impl Candidate {
    pub(super) fn language(&self) -> Option<&str> {
        let program = self.program.as_ref().ok()?;
        Some(program.language.as_str())
    }
}

/// Those that were named. One that is no program of any language keeps none of the others from being graded.
pub(super) fn named(
    args: &ToGrade,
    package: Option<&Package>,
    languages: &Languages,
    maxima: &SubmissionLimits,
) -> Result<Vec<Candidate>, Failure> {
    let language = match &args.language[..] {
        [] => None,
        [language] if languages.get(language).is_none() => {
            return Err(unknown_language(language));
        }
        [language] => Some(language),
        _ => {
            return Err(Failure::usage(
                "--language: solutions have one language at a time",
            ));
        }
    };
    let submissions = match package {
        Some(package) => Some(Submissions::read(&args.problem, package.format)?),
        None => None,
    };
    let candidate = |path: &std::path::PathBuf| {
        let listed = submissions.as_ref().and_then(|submissions| submissions.at(path));
        let place = Place {
            path,
            home: listed.as_ref().map(|_| args.problem.as_path()),
            maxima,
        };
        let read = program(&place, language, listed.as_ref(), package, languages)
            .map_err(|failure| without_path(&failure, path));
        let sources = read.iter().flat_map(Program::sources);
        let expectation = match &listed {
            Some(listed) => listed.expectation(sources).map(Some),
            None => tagged(sources),
        };
        let (program, expectation) = match expectation {
            Ok(expectation) => (read, expectation),
            Err(why) => (Err(why), None),
        };
        Candidate {
            name: listed.map_or_else(|| path.display().to_string(), |listed| listed.name),
            expectation,
            program,
        }
    };
    Ok(args.solutions.iter().map(candidate).collect())
}

/// The package's own.
pub(super) fn all(
    args: &ToGrade,
    package: Option<&Package>,
    languages: &Languages,
    maxima: &SubmissionLimits,
) -> Result<Vec<Candidate>, Failure> {
    let Some(package) = package else {
        return Err(Failure::usage(format!(
            "--all: {} is no problem's folder: it has no folder data",
            args.problem.display()
        )));
    };
    for name in &args.language {
        if languages.get(name).is_none() {
            return Err(unknown_language(name));
        }
    }
    let (listed, left_out) = Submissions::read(&args.problem, package.format)?.all()?;
    for what in left_out {
        note(format_args!("note: left out: {what}"));
    }
    let mut candidates = Vec::new();
    for listed in listed {
        let place = Place {
            path: &listed.path,
            home: Some(&args.problem),
            maxima,
        };
        let read = program(&place, None, Some(&listed), Some(package), languages)
            .map_err(|failure| without_path(&failure, &listed.path));
        let (program, expectation) = match read {
            Ok(program) => match listed.expectation(program.sources()) {
                Ok(expectation) => (Ok(program), Some(expectation)),
                Err(why) => (Err(why), None),
            },
            Err(why) => (Err(why), listed.expectation(std::iter::empty()).ok()),
        };
        let wanted = args.language.is_empty()
            || program
                .as_ref()
                .is_ok_and(|program| args.language.contains(&program.language));
        if wanted {
            candidates.push(Candidate {
                name: listed.name,
                program,
                expectation,
            });
        }
    }
    if candidates.is_empty() {
        let folder = args.problem.join("submissions");
        return Err(Failure::usage(format!(
            "there are no programs to grade in {}",
            folder.display()
        )));
    }
    Ok(candidates)
}

fn unknown_language(name: &LanguageName) -> Failure {
    Failure::usage(format!("--language: no language is called {name}"))
}

/// The reason alone: the program's name stands beside it.
fn without_path(failure: &Failure, path: &Path) -> String {
    let told = failure.to_string();
    let prefix = format!("{}: ", path.display());
    told.strip_prefix(&prefix).map_or(told.clone(), str::to_owned)
}

fn program(
    place: &Place<'_>,
    language: Option<&LanguageName>,
    listed: Option<&ListedProgram>,
    package: Option<&Package>,
    languages: &Languages,
) -> Result<Program, Failure> {
    let path = place.path;
    let of_package =
        match listed.and_then(|listed| listed.language.as_deref()) {
            Some(code) => {
                let other = OTHER_NAMES.iter().find(|(theirs, _)| *theirs == code);
                let name = other.map_or(code, |(_, ours)| ours).parse();
                Some(name.map_err(|_| {
                    Failure::usage(format!("{}: no language is called {code}", path.display()))
                })?)
            }
            None => None,
        };
    let entry_point = listed.and_then(|listed| listed.entry_point.as_deref());
    let program = Program::read(place, language.or(of_package.as_ref()), entry_point, languages)?;
    if language.is_none() && program.sources().any(is_for_python_2) {
        return Err(Failure::usage(format!(
            "{}: its first line asks for Python 2, which is another language than Python 3",
            path.display()
        )));
    }
    if let Some(package) = package {
        refuse(path, &program, package)?;
    }
    Ok(program)
}

/// By the line that the format tells the two by.
fn is_for_python_2(source: &[u8]) -> bool {
    let source = source.strip_prefix(b"\xef\xbb\xbf").unwrap_or(source);
    let first = source.split(|byte| *byte == b'\n').next().unwrap_or_default();
    first.starts_with(b"#!") && String::from_utf8_lossy(first).contains("python2")
}

/// What the package says of programs, and is not kept.
fn refuse(path: &Path, program: &Program, package: &Package) -> Result<(), Failure> {
    let bytes: usize = program.sources().map(<[u8]>::len).sum();
    if let Some(limit) = package.code_bytes
        && bytes as u64 > limit
    {
        return Err(Failure::usage(format!(
            "{}: it has {}, of which limits: code of problem.yaml allows {limit}",
            path.display(),
            counted(bytes, "byte")
        )));
    }
    match program.sources().find_map(|source| package.constant_in(source)) {
        Some(constant) => Err(Failure::usage(format!(
            "{}: it uses the constant {constant}, which cannot be put in yet",
            path.display()
        ))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn python_2_is_told_by_the_first_line() {
        for (source, is) in [
            ("#!/usr/bin/python2\nprint 1", true),
            ("\u{feff}#!/usr/bin/env python2.7", true),
            ("#!/usr/bin/env python3\n# not python2", false),
            ("#!/usr/bin/env python", false),
            ("print('#!python2')", false),
            ("", false),
        ] {
            assert_eq!(is_for_python_2(source.as_bytes()), is, "{source}");
        }
    }
}
