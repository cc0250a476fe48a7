//! The programs to grade, and what each must get.

use std::path::Path;

use optimus_common::{LanguageName, language::Languages};

use crate::{
    args::ToGrade,
    exit::Failure,
    output::note,
    programs::Program,
    testcases::{
        Package,
        package::{Expectation, Listed, Submissions, tagged},
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

/// Those that were named. What cannot be read is the caller's mistake.
pub(super) fn named(
    args: &ToGrade,
    package: Option<&Package>,
    languages: &Languages,
) -> Result<Vec<Candidate>, Failure> {
    let language = match &args.language[..] {
        [] => None,
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
        let program = program(path, language, listed.as_ref(), package, languages)?;
        let expectation = match &listed {
            Some(listed) => listed.expectation(program.sources()),
            None => tagged(program.sources()),
        };
        Ok(Candidate {
            name: listed.map_or_else(|| path.display().to_string(), |listed| listed.name),
            expectation: expectation.map_err(|why| Failure::usage(format!("{}: {why}", path.display())))?,
            program: Ok(program),
        })
    };
    args.solutions.iter().map(candidate).collect()
}

/// The package's own.
pub(super) fn all(
    args: &ToGrade,
    package: Option<&Package>,
    languages: &Languages,
) -> Result<Vec<Candidate>, Failure> {
    let Some(package) = package else {
        return Err(Failure::usage(format!(
            "--all: {} is no problem's folder: it has no folder data",
            args.problem.display()
        )));
    };
    for name in &args.language {
        if languages.get(name).is_none() {
            return Err(Failure::usage(format!(
                "--language: no language is called {name}"
            )));
        }
    }
    let (listed, left_out) = Submissions::read(&args.problem, package.format)?.all()?;
    for what in left_out {
        note(format_args!("note: left out: {what}"));
    }
    let mut candidates = Vec::new();
    for listed in listed {
        let read = program(&listed.path, None, Some(&listed), Some(package), languages)
            .map_err(|failure| failure.to_string());
        let (program, expectation) = match read {
            Ok(program) => match listed.expectation(program.sources()) {
                Ok(expectation) => (Ok(program), expectation),
                Err(why) => (Err(why), None),
            },
            Err(why) => (
                Err(why),
                listed.expectation(std::iter::empty()).unwrap_or_default(),
            ),
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

fn program(
    path: &Path,
    language: Option<&LanguageName>,
    listed: Option<&Listed>,
    package: Option<&Package>,
    languages: &Languages,
) -> Result<Program, Failure> {
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
    let program = Program::read(path, language.or(of_package.as_ref()), entry_point, languages)?;
    if let Some(package) = package {
        refuse(path, &program, package)?;
    }
    Ok(program)
}

/// What the package says of programs, and is not kept.
fn refuse(path: &Path, program: &Program, package: &Package) -> Result<(), Failure> {
    let bytes: usize = program.sources().map(<[u8]>::len).sum();
    if let Some(limit) = package.code_bytes
        && bytes as u64 > limit
    {
        return Err(Failure::usage(format!(
            "{}: it has {bytes} bytes, of which limits: code of problem.yaml allows {limit}",
            path.display()
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
