//! Which files are sources of which language, and with which of them a program starts.

use std::path::Path;

use super::{Execution, Language};

/// Names of what runs first, without extension, the likelier one first.
const MAIN: [&str; 3] = ["__main__", "main", "Main"];

impl Execution {
    /// All endings of its sources, the usual one first.
    pub fn extensions(&self) -> impl Iterator<Item = &str> + Clone {
        [&self.file_extension]
            .into_iter()
            .chain(&self.other_extensions)
            .map(String::as_str)
    }

    /// Whether a file of this name is one of the language's sources. People write extensions in any case; only those
    /// that the list has in capitals, such as the `.C` of C++, mean nothing else.
    pub fn is_source(&self, name: &str) -> bool {
        let has = |name: &str| ending(name, self.extensions()).is_some();
        has(name) || has(&name.to_ascii_lowercase())
    }

    /// The name with its extension as the list has it, for compilers that know no other case.
    pub fn as_listed(&self, name: &str) -> String {
        as_listed(name, self.extensions())
    }

    /// Whether its compile step is given all sources, and finds by itself where the program starts.
    pub fn compiles_all_sources(&self) -> bool {
        self.compile.iter().any(|word| word == "{sources}")
    }

    /// The file a program of these files starts with, as judges have it: the only source, or the one called main; of
    /// those in folders only where there are none outside. `None` where nothing of that decides.
    pub fn main_source<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
        let depth = |name: &str| name.matches('/').count();
        let mut sources: Vec<_> = names.into_iter().filter(|name| self.is_source(name)).collect();
        let top = sources.iter().map(|name| depth(name)).min()?;
        sources.retain(|name| depth(name) == top);
        if let [only] = sources[..] {
            return Some(only);
        }
        let stem = |name: &str| Path::new(name).file_stem().map(ToOwned::to_owned);
        MAIN.iter().find_map(|main| {
            let mut called = sources
                .iter()
                .filter(|name| stem(name).is_some_and(|stem| stem == *main));
            match (called.next(), called.next()) {
                (Some(only), None) => Some(*only),
                _ => None,
            }
        })
    }
}

/// The languages that have files of this name, in their order: those that list its extension as it is written, or where
/// there are none of these, in any case.
pub fn of_file<'a>(languages: &'a [Language], name: &str) -> Vec<&'a Language> {
    with_extension_of(languages, name, |language| {
        language.execution.extensions().collect()
    })
}

/// As [`of_file`], for anything that has `extensions`.
pub fn with_extension_of<'a, T>(
    all: &'a [T],
    name: &str,
    extensions: impl Fn(&'a T) -> Vec<&'a str>,
) -> Vec<&'a T> {
    let having = |name: &str| -> Vec<&'a T> {
        all.iter()
            .filter(|each| extensions(each).iter().any(|end| name.ends_with(end)))
            .collect()
    };
    let listed = having(name);
    if listed.is_empty() {
        having(&name.to_ascii_lowercase())
    } else {
        listed
    }
}

/// The name with its extension as this list has it.
pub fn as_listed<'a>(name: &str, extensions: impl Iterator<Item = &'a str> + Clone) -> String {
    if ending(name, extensions.clone()).is_some() {
        return name.to_owned();
    }
    match ending(&name.to_ascii_lowercase(), extensions) {
        Some(extension) => format!("{}{extension}", &name[..name.len() - extension.len()]),
        None => name.to_owned(),
    }
}

/// The first of them that the name ends with.
fn ending<'a>(name: &str, mut extensions: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    extensions.find(|extension| name.ends_with(extension))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::{Languages, LanguagesFile};

    fn shipped() -> Languages {
        LanguagesFile::BuiltIn.load().unwrap()
    }

    fn recipe(name: &str) -> Execution {
        shipped().get(&name.parse().unwrap()).unwrap().execution.clone()
    }

    #[test]
    fn a_file_belongs_to_the_language_that_has_its_extension() {
        let languages = shipped().languages;
        for (file, language) in [
            ("a.cpp", Some("cpp")),
            ("a/b.cc", Some("cpp")),
            ("a.cxx", Some("cpp")),
            ("a.c++", Some("cpp")),
            ("a.cp", Some("cpp")),
            ("a.C", Some("cpp")),
            ("a.c", Some("c")),
            ("a.CPP", Some("cpp")),
            ("a.Cc", Some("cpp")),
            ("HW1.JAVA", Some("java")),
            ("a.py3", Some("python")),
            ("a.PY", Some("python")),
            ("a.py2", None),
            ("a.mjs", Some("javascript")),
            ("a.cjs", Some("javascript")),
            ("B. Sums (1).rs", Some("rust")),
            ("a.go", Some("go")),
            ("a.h", None),
            ("cpp", None),
        ] {
            let found: Vec<_> = of_file(&languages, file)
                .iter()
                .map(|language| language.name.as_str())
                .collect();
            assert_eq!(found, Vec::from_iter(language), "{file}");
        }
    }

    #[test]
    fn a_language_takes_its_own_extensions_in_any_case_and_no_others() {
        let (c, cpp) = (recipe("c"), recipe("cpp"));
        assert!(c.is_source("a.C"), "asked for C, that is C");
        assert!(!cpp.is_source("a.c"), "only the capital is C++");
        assert_eq!(cpp.as_listed("x/A.CPP"), "x/A.cpp");
        assert_eq!(cpp.as_listed("A.C"), "A.C");
        assert_eq!(recipe("java").as_listed("ß.Java"), "ß.java");
        assert_eq!(recipe("java").as_listed("README"), "README");
    }

    #[test]
    fn a_program_starts_with_its_only_source_or_the_one_called_main() {
        let python = recipe("python");
        for (names, main) in [
            (&["data.txt", "solve.py"][..], Some("solve.py")),
            (&["a.py", "main.py"], Some("main.py")),
            (&["main.py", "__main__.py"], Some("__main__.py")),
            (&["a.py", "MAIN.PY", "Main.py"], Some("Main.py")),
            (&["util/main.py", "solve.py"], Some("solve.py")),
            (
                &["src/util.py", "src/main.py", "src/deep/x.py"],
                Some("src/main.py"),
            ),
            (&["x/main.py", "y/main.py"], None),
            (&["b.py", "a.py"], None),
            (&["main.txt"], None),
        ] {
            assert_eq!(python.main_source(names.iter().copied()), main, "{names:?}");
        }
    }
}
