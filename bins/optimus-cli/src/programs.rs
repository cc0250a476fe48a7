//! Programs from files: in which language, and where they start.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use optimus_common::{
    LanguageName,
    language::{Language, Languages},
    payload::text_or_base64,
    submission::{SourceFile, Submission},
};

use crate::{
    exit::{Blame, Failure},
    testcases::{FoldersLeft, package::entries_of},
};

/// Extensions beside the one each language has in its entry.
const OTHER_EXTENSIONS: [(&str, &str); 9] = [
    (".cc", ".cpp"),
    (".cxx", ".cpp"),
    (".c++", ".cpp"),
    (".C", ".cpp"),
    (".cjs", ".js"),
    (".mjs", ".js"),
    (".pyw", ".py"),
    (".py3", ".py"),
    (".mts", ".ts"),
];
/// Names of what runs first, without extension.
const MAIN: [&str; 3] = ["main", "Main", "__main__"];
/// Folders deeper than this hold no sources; a link in a circle ends here.
const DEEPEST: usize = 8;

/// A program.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    pub(crate) language: LanguageName,
    /// The language's own, with its dot.
    extension: String,
    files: Vec<SourceFile>,
    /// Where it is none of the files, or the first of them.
    entry_point: Option<String>,
}

impl Program {
    /// Reads a file, or a folder of them. Without a language it follows from the extensions.
    pub(crate) fn read(
        path: &Path,
        language: Option<&LanguageName>,
        entry_point: Option<&str>,
        languages: &Languages,
    ) -> Result<Self, Failure> {
        let mut files = Vec::new();
        if path.is_dir() {
            collect(path, "", DEEPEST, &mut FoldersLeft::new(), &mut files)?;
        } else {
            files.push((file_name(path)?, path.to_owned()));
        }
        let found = match language {
            Some(name) => languages.get(name).ok_or_else(|| unknown(name, languages))?,
            None => by_extensions(path, &files, languages)?,
        };
        let extension = &found.execution.file_extension;
        // A compile step is given the sources that have the language's own extension, written as it writes it.
        let compiled = !found.execution.compile.is_empty();
        for (name, path) in &mut files {
            let written = path.extension().unwrap_or_default();
            if has_extension(path, extension) && (compiled || written.eq_ignore_ascii_case(&extension[1..])) {
                *name = Path::new(name)
                    .with_extension(&extension[1..])
                    .to_string_lossy()
                    .into_owned();
            }
        }
        let entry_point = if path.is_dir() {
            Some(entry_of(path, &files, found, entry_point)?)
        } else {
            None
        };
        let files = files
            .into_iter()
            .map(|(name, path)| source(name, &path))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            language: found.name.clone(),
            extension: extension.clone(),
            files,
            entry_point,
        })
    }

    pub(crate) fn sources(&self) -> impl Iterator<Item = &[u8]> {
        self.files.iter().map(SourceFile::bytes)
    }

    /// Becomes the program of a submission.
    pub(crate) fn put_into(mut self, submission: &mut Submission) {
        submission.language = self.language;
        submission.source_code = None;
        submission.files.clear();
        submission.entry_point = None;
        match self.files.as_mut_slice() {
            // Alone and as text it gets the language's own name for a program, unless its extension means something.
            [
                SourceFile {
                    name,
                    content: Some(content),
                    ..
                },
            ] if name.ends_with(&self.extension) => submission.source_code = Some(std::mem::take(content)),
            _ => {
                submission.files = self.files;
                submission.entry_point = self.entry_point;
            }
        }
    }
}

/// A source file under the name it is to have.
pub(crate) fn source(name: String, path: &Path) -> Result<SourceFile, Failure> {
    let bytes = fs::read(path)
        .with_context(|| format!("cannot read {}", path.display()))
        .usage()?;
    let (content, content_base64) = text_or_base64(bytes);
    Ok(SourceFile {
        name,
        content,
        content_base64,
    })
}

pub(crate) fn file_name(path: &Path) -> Result<String, Failure> {
    let name = path
        .file_name()
        .with_context(|| format!("{} is no file", path.display()))
        .usage()?;
    Ok(name.to_string_lossy().into_owned())
}

/// Whether a file has a language's extension, in any case, or another one for the same.
pub(crate) fn has_extension(file: &Path, extension: &str) -> bool {
    usual_extension(file).eq_ignore_ascii_case(extension)
}

/// A file's extension with its dot: the usual one for its language, such as `.cpp` for `.cc`.
pub(crate) fn usual_extension(file: &Path) -> String {
    let extension = file
        .extension()
        .map(|extension| format!(".{}", extension.to_string_lossy()))
        .unwrap_or_default();
    let lower = extension.to_ascii_lowercase();
    // As it is written first: to compilers `.C` is C++ and `.c` is not.
    let mut others = OTHER_EXTENSIONS.iter().filter(|(other, _)| *other == extension);
    let mut in_any_case = OTHER_EXTENSIONS.iter().filter(|(other, _)| *other == lower);
    let usual = others.next().or_else(|| in_any_case.next());
    usual.map_or(extension, |(_, usual)| (*usual).to_owned())
}

fn collect(
    folder: &Path,
    prefix: &str,
    deeper: usize,
    left: &mut FoldersLeft,
    files: &mut Vec<(String, PathBuf)>,
) -> Result<(), Failure> {
    left.enter(folder)?;
    for (name, path) in entries_of(folder)? {
        let name = format!("{prefix}{name}");
        if !path.is_dir() {
            files.push((name, path));
        } else if deeper > 0 {
            collect(&path, &format!("{name}/"), deeper - 1, left, files)?;
        }
    }
    Ok(())
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
    files: &[(String, PathBuf)],
    languages: &'a Languages,
) -> Result<&'a Language, Failure> {
    let mut found: Vec<&Language> = Vec::new();
    for (_, file) in files {
        let mut all = languages.languages.iter();
        if let Some(language) = all.find(|language| has_extension(file, &language.execution.file_extension))
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

/// The file a program in a folder starts with: the one asked for, the only one, the one called main; any where they
/// are all compiled together.
fn entry_of(
    folder: &Path,
    files: &[(String, PathBuf)],
    language: &Language,
    asked: Option<&str>,
) -> Result<String, Failure> {
    let of_language: Vec<&String> = files
        .iter()
        .filter(|(_, path)| has_extension(path, &language.execution.file_extension))
        .map(|(name, _)| name)
        .collect();
    let stem = |name: &str| {
        let stem = Path::new(name).file_stem().unwrap_or_default();
        stem.to_string_lossy().into_owned()
    };
    let found = match (asked, &of_language[..]) {
        // A file, or as Java's packages do, a class.
        (Some(asked), _) => files.iter().map(|(name, _)| name).find(|name| {
            *name == asked || stem(name) == asked || stem(name) == asked.rsplit('.').next().unwrap_or(asked)
        }),
        (None, [only]) => Some(*only),
        (None, several) => several
            .iter()
            .find(|name| MAIN.contains(&stem(name).as_str()))
            .or_else(|| {
                let together = language.execution.compile.iter().any(|word| word == "{sources}");
                several.first().filter(|_| together)
            })
            .copied(),
    };
    found.cloned().ok_or_else(|| {
        let why = match asked {
            Some(asked) => format!("its entry point {asked} is none of its files"),
            None => format!("none of its {} files is called main", language.name),
        };
        Failure::usage(format!("{}: {why}", folder.display()))
    })
}

#[cfg(test)]
mod tests {
    use optimus_common::settings::LimitSettings;

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

    fn entry(files: &[&str], asked: Option<&str>) -> Result<(String, Option<String>), String> {
        let folder = folder(files);
        Program::read(folder.path(), None, asked, &languages())
            .map(|program| (program.language.to_string(), program.entry_point))
            .map_err(|failure| failure.to_string())
    }

    #[test]
    fn a_folder_is_one_program_of_one_language() {
        let found = |files: &[&str]| entry(files, None);
        let is = |language: &str, entry: &str| Ok((language.to_owned(), Some(entry.to_owned())));
        assert_eq!(found(&["only.py", "data.txt"]), is("python", "only.py"));
        assert_eq!(found(&["a.py", "main.py"]), is("python", "main.py"));
        assert_eq!(found(&["b.cc", "a.cpp", "a.h"]), is("cpp", "a.cpp"));
        assert_eq!(found(&["util/X.java", "Main.java"]), is("java", "Main.java"));
        assert_eq!(
            found(&["a.py", ".b.c", "__pycache__/a.c"]),
            is("python", "a.py"),
            "what the format takes for not there is no part of it"
        );
        for (files, part) in [
            (&["a.py", "b.py"][..], "called main"),
            (&["a.py", "b.c"], "several languages: python, c"),
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
            let program = Program::read(&folder.path().join(name), None, None, &languages()).unwrap();
            (program.language.to_string(), program.files[0].name.clone())
        };
        let is = |language: &str, name: &str| (language.to_owned(), name.to_owned());
        assert_eq!(read("Sum.CPP"), is("cpp", "Sum.cpp"));
        assert_eq!(read("Sum.CC"), is("cpp", "Sum.cpp"));
        assert_eq!(read("sum.C"), is("cpp", "sum.cpp"), "as compilers take it");
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

    #[test]
    fn a_folder_becomes_a_submission_that_is_valid() {
        let folder = folder(&["main.py", "util/help.py"]);
        let program = Program::read(folder.path(), None, None, &languages()).unwrap();
        let mut submission: Submission = serde_json::from_value(serde_json::json!({
            "language": "c", "test_cases": [{"id": 1, "expected_output": ""}],
        }))
        .unwrap();
        program.put_into(&mut submission);
        assert_eq!(submission.language.as_str(), "python");
        assert_eq!(submission.entry_point.as_deref(), Some("main.py"));
        let limits: LimitSettings = optimus_common::settings::Settings::defaults().limits;
        submission.validate(&limits.max).unwrap();
    }
}
