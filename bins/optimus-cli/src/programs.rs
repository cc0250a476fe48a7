//! Programs from files: in which language, and where they start.
//!
//! - [`handed_in`]: which files of somebody's are read, and how much of them

mod handed_in;

use std::path::Path;

use optimus_common::{
    LanguageName,
    language::{self, Language, Languages},
    payload::text_or_base64,
    submission::{SourceFile, Submission, SubmissionLimits},
};

use self::handed_in::NamedFile;
use crate::exit::Failure;

pub(crate) use self::handed_in::{Bytes, folder_of};

/// Extensions that say what kind of module a file is, whatever else is known of its language.
const MODULES: [&str; 4] = [".mjs", ".cjs", ".mts", ".cts"];
const JAVA: &str = ".java";

/// Extensions whose languages know them in one case alone, for whoever does not know the language's own list.
pub(crate) fn well_known_extensions() -> Vec<String> {
    MODULES.into_iter().chain([JAVA]).map(str::to_owned).collect()
}

/// Where a program lies, and what of it may be read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) path: &'a Path,
    /// A folder that it is a part of, to all of which its links may lead.
    pub(crate) home: Option<&'a Path>,
    pub(crate) maxima: &'a SubmissionLimits,
}

/// A program.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    pub(crate) language: LanguageName,
    /// The language's usual extension, with its dot.
    extension: String,
    files: Vec<SourceFile>,
    /// `None` where the compile step finds it.
    entry_point: Option<String>,
}

impl Program {
    /// Reads a file, or a folder of them. Without a language it follows from the extensions.
    pub(crate) fn read(
        place: &Place<'_>,
        language: Option<&LanguageName>,
        entry_point: Option<&str>,
        languages: &Languages,
    ) -> Result<Self, Failure> {
        let path = place.path;
        let handed_in = handed_in::find(path, place.home, place.maxima.files)?;
        let mut files = handed_in.files;
        let found = match language {
            Some(name) => languages.get(name).ok_or_else(|| unknown(name, languages))?,
            None => by_extensions(path, &files, languages)?,
        };
        // Compilers know extensions in one case, people write them in any.
        for (name, _) in &mut files {
            *name = found.execution.as_listed(name);
        }
        let entry_point = if handed_in.is_folder {
            entry_of(path, &files, found, entry_point)?
        } else {
            None
        };
        let mut bytes = Bytes::new(place.maxima.source_bytes);
        let files = files
            .into_iter()
            .map(|(name, path)| Ok(source(name, bytes.read(&path)?)))
            .collect::<Result<_, Failure>>()?;
        Ok(Self {
            language: found.name.clone(),
            extension: found.execution.file_extension.clone(),
            files,
            entry_point,
        })
    }

    pub(crate) fn sources(&self) -> impl Iterator<Item = &[u8]> {
        self.files.iter().map(SourceFile::bytes)
    }

    /// Becomes the program of a submission.
    pub(crate) fn put_into(self, submission: &mut Submission) {
        submission.language = self.language;
        put_sources(self.files, Some(&self.extension), submission);
        if !submission.files.is_empty() {
            submission.entry_point = self.entry_point;
        }
    }
}

/// Makes files the program of a submission. `extension` is the usual one of its language, where that is known.
///
/// A file that is alone and is text gets the language's own name for a program, since under its own it may hide what it
/// needs: a `random.py` that imports `random` would find itself. Where its name says something, it keeps it.
pub(crate) fn put_sources(mut files: Vec<SourceFile>, extension: Option<&str>, submission: &mut Submission) {
    submission.source_code = None;
    submission.files.clear();
    submission.entry_point = None;
    match files.as_mut_slice() {
        [
            SourceFile {
                name,
                content: Some(content),
                ..
            },
        ] if !says_something(name, extension) => submission.source_code = Some(std::mem::take(content)),
        _ => submission.files = files,
    }
}

fn says_something(name: &str, extension: Option<&str>) -> bool {
    let lower = name.to_ascii_lowercase();
    let unusual = match extension {
        Some(extension) => !lower.ends_with(&extension.to_ascii_lowercase()),
        None => MODULES.iter().any(|kind| lower.ends_with(kind)),
    };
    unusual || is_called_as_a_class(name)
}

/// Java starts with the class called as its file.
fn is_called_as_a_class(name: &str) -> bool {
    let file = name.rsplit('/').next().unwrap_or(name);
    if !file.to_ascii_lowercase().ends_with(JAVA) {
        return false;
    }
    let stem = &file[..file.len() - JAVA.len()];
    let starts_well = |c: char| c.is_alphabetic() || matches!(c, '_' | '$');
    stem.starts_with(starts_well) && stem.chars().all(|c| c.is_alphanumeric() || starts_well(c))
}

/// A file of a program that has no others beside it but those that were named with it.
pub(crate) fn single(path: &Path, bytes: &mut Bytes) -> Result<SourceFile, Failure> {
    let (name, path) = handed_in::find_file(path)?;
    Ok(source(name, bytes.read(&path)?))
}

fn source(name: String, bytes: Vec<u8>) -> SourceFile {
    let (content, content_base64) = text_or_base64(bytes);
    SourceFile {
        name,
        content,
        content_base64,
        content_sha256: None,
    }
}

fn unknown(name: &LanguageName, languages: &Languages) -> Failure {
    let known: Vec<_> = names(&languages.languages.iter().collect::<Vec<_>>());
    Failure::usage(format!(
        "no language is called {name}; there are: {}",
        known.join(", ")
    ))
}

fn names<'a>(languages: &[&'a Language]) -> Vec<&'a str> {
    languages.iter().map(|language| language.name.as_str()).collect()
}

/// The only language that has files of these extensions; of several for one extension, the first.
fn by_extensions<'a>(
    path: &Path,
    files: &[NamedFile],
    languages: &'a Languages,
) -> Result<&'a Language, Failure> {
    let mut found: Vec<&Language> = Vec::new();
    for (name, _) in files {
        if let Some(language) = language::of_file(&languages.languages, name).first()
            && !found.iter().any(|other| other.name == language.name)
        {
            found.push(language);
        }
    }
    match found[..] {
        [language] => Ok(language),
        [] => Err(Failure::usage(format!(
            "{}: no language has files like this; there are: {}",
            path.display(),
            names(&languages.languages.iter().collect::<Vec<_>>()).join(", ")
        ))),
        _ => Err(Failure::usage(format!(
            "{}: it has files of several languages: {}",
            path.display(),
            names(&found).join(", ")
        ))),
    }
}

/// The file a program in a folder starts with: the one asked for, else the one that [`Execution::main_source`] finds.
/// Where all sources are compiled together, the compile step finds it, and refuses by name what it cannot decide.
///
/// [`Execution::main_source`]: optimus_common::language::Execution::main_source
fn entry_of(
    folder: &Path,
    files: &[NamedFile],
    language: &Language,
    asked: Option<&str>,
) -> Result<Option<String>, Failure> {
    let names = || files.iter().map(|(name, _)| name.as_str());
    let stem = |name: &str| {
        let stem = Path::new(name).file_stem().unwrap_or_default();
        stem.to_string_lossy().into_owned()
    };
    let found = match asked {
        // A file, or as Java's packages do, a class.
        Some(asked) => names().find(|name| {
            *name == asked || stem(name) == asked || stem(name) == asked.rsplit('.').next().unwrap_or(asked)
        }),
        None if language.execution.compiles_all_sources() => return Ok(None),
        None => language.execution.main_source(names()),
    };
    found.map(|name| Some(name.to_owned())).ok_or_else(|| {
        let why = match asked {
            Some(asked) => format!("its entry point {asked} is none of its files"),
            None => format!("none of its {} files is called main", language.name),
        };
        Failure::usage(format!("{}: {why}", folder.display()))
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use optimus_worker::Settings;

    use super::*;

    fn languages() -> Languages {
        let text = include_str!("../../../config/languages.json");
        serde_json::from_str(text).unwrap()
    }

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }
        folder
    }

    fn read(path: &Path, entry_point: Option<&str>) -> Result<Program, Failure> {
        let place = Place {
            path,
            home: None,
            maxima: &Settings::defaults().limits.max,
        };
        Program::read(&place, None, entry_point, &languages())
    }

    fn entry(files: &[&str], asked: Option<&str>) -> Result<(String, Option<String>), String> {
        let folder = folder(files);
        read(folder.path(), asked)
            .map(|program| (program.language.to_string(), program.entry_point))
            .map_err(|failure| failure.to_string())
    }

    #[test]
    fn a_folder_is_one_program_of_one_language() {
        let found = |files: &[&str]| entry(files, None);
        let is = |language: &str, entry: &str| Ok((language.to_owned(), Some(entry.to_owned())));
        let all = |language: &str| Ok((language.to_owned(), None));
        assert_eq!(found(&["only.py", "data.txt"]), is("python", "only.py"));
        assert_eq!(found(&["a.py", "main.py"]), is("python", "main.py"));
        assert_eq!(found(&["a.py", "__main__.py"]), is("python", "__main__.py"));
        assert_eq!(found(&["main.rs", "util.rs"]), is("rust", "main.rs"));
        assert_eq!(found(&["HW.JS"]), is("javascript", "HW.js"));
        assert_eq!(found(&["b.cc", "a.cpp", "c.C", "d.CXX", "a.h"]), all("cpp"));
        assert_eq!(found(&["util/X.java", "Main.java"]), all("java"));
        assert_eq!(
            found(&["a.py", ".b.c", "__pycache__/a.c"]),
            is("python", "a.py"),
            "what the format takes for not there is no part of it"
        );
        for (files, part) in [
            (&["a.py", "b.py"][..], "called main"),
            (&["a.rs", "b.rs"], "called main"),
            (&["a.py", "b.c"], "several languages: python, c"),
            (&["a.c", "b.C"], "several languages: c, cpp"),
            (&["README"], "no language"),
        ] {
            let error = found(files).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn extensions_are_taken_in_any_case() {
        let read = |name: &str| {
            let folder = folder(&[name]);
            let program = read(&folder.path().join(name), None).unwrap();
            (program.language.to_string(), program.files[0].name.clone())
        };
        let is = |language: &str, name: &str| (language.to_owned(), name.to_owned());
        assert_eq!(read("Sum.CPP"), is("cpp", "Sum.cpp"));
        assert_eq!(read("Sum.CC"), is("cpp", "Sum.cc"));
        assert_eq!(read("sum.C"), is("cpp", "sum.C"), "as compilers take it");
        assert_eq!(read("sum.PY"), is("python", "sum.py"));
        assert_eq!(
            read("sum.mjs"),
            is("javascript", "sum.mjs"),
            "which means something"
        );
    }

    #[test]
    fn an_entry_point_is_a_file_or_a_class() {
        let files = ["zoo/Main.java", "zoo/Animal.java"];
        for asked in ["zoo/Main.java", "Main", "zoo.Main"] {
            let found = entry(&files, Some(asked)).unwrap();
            assert_eq!(found.1.as_deref(), Some("zoo/Main.java"), "{asked}");
        }
        assert!(entry(&files, Some("Plant")).unwrap_err().contains("Plant"));
    }

    fn minimal() -> Submission {
        serde_json::from_value(serde_json::json!({
            "language": "c", "test_cases": [{"id": 1, "expected_output": ""}],
        }))
        .unwrap()
    }

    #[test]
    fn a_file_that_is_alone_keeps_a_name_that_says_something() {
        for (file, kept) in [
            ("Solve.java", Some("Solve.java")),
            ("solve_2.JAVA", Some("solve_2.java")),
            ("Größe$.java", Some("Größe$.java")),
            ("B. Sums (1).java", None),
            ("2nd.java", None),
            ("my-solution.java", None),
            ("random.py", None),
            ("sum.cpp", None),
            ("sum.cc", Some("sum.cc")),
            ("sum.js", None),
            ("sum.MJS", Some("sum.mjs")),
        ] {
            let folder = folder(&[file]);
            let mut submission = minimal();
            read(&folder.path().join(file), None)
                .unwrap()
                .put_into(&mut submission);
            let names: Vec<_> = submission.files.iter().map(|file| file.name.as_str()).collect();
            assert_eq!(names, Vec::from_iter(kept), "{file}");
            assert_eq!(submission.source_code.is_some(), kept.is_none(), "{file}");
            submission.validate(&Settings::defaults().limits.max).unwrap();
        }
        for (name, extension, says) in [
            ("Solve.JAVA", Some(".java"), true),
            ("2.JAVA", Some(".java"), false),
            ("random.PY", Some(".py"), false),
            ("random.PY", Some(".js"), true),
            ("Solve.java", None, true),
            ("x/Solve.java", None, true),
            ("a.MJS", None, true),
            ("a.cts", None, true),
            ("random.py", None, false),
            ("sum.cc", None, false),
            ("a b.java", None, false),
            (".java", None, false),
        ] {
            assert_eq!(says_something(name, extension), says, "{name} {extension:?}");
        }
    }

    #[test]
    fn a_folder_becomes_a_submission_that_is_valid() {
        let folder = folder(&["main.py", "util/help.py"]);
        let program = read(folder.path(), None).unwrap();
        let mut submission = minimal();
        program.put_into(&mut submission);
        assert_eq!(submission.language.as_str(), "python");
        assert_eq!(submission.entry_point.as_deref(), Some("main.py"));
        submission.validate(&Settings::defaults().limits.max).unwrap();
    }
}
