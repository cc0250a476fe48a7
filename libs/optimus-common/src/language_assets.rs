//! What some languages bring along for their boxes: the files beside their Dockerfiles, compiled in, so that a lone
//! binary has them too.
//!
//! They become `/optimus/<language>` in a box, after the script [`PREPARE`] among them has run there once: when the
//! image is built, or before the first native box is made.

use crate::ids::LanguageName;

/// The script that prepares the files, run by `sh` in their folder.
pub const PREPARE: &str = "prepare.sh";

/// One file of a language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SupportFile {
    language: &'static str,
    pub name: &'static str,
    pub content: &'static str,
}

macro_rules! asset_files {
    ($($language:literal / $name:literal),* $(,)?) => {
        &[$(SupportFile {
            language: $language,
            name: $name,
            content: include_str!(concat!("../../../dockerfiles/", $language, "/", $name)),
        }),*]
    };
}

const FILES: &[SupportFile] = asset_files![
    "go" / "compile.sh",
    "go" / "environment.sh",
    "go" / "prepare.sh",
    "java" / "Compile.java",
    "java" / "Sample.java",
    "java" / "prepare.sh",
];

/// A language's files; none for most.
pub fn files(language: &LanguageName) -> impl Iterator<Item = SupportFile> {
    FILES
        .iter()
        .copied()
        .filter(move |file| file.language == language.as_str())
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;

    #[test]
    fn every_file_beside_a_dockerfile_is_listed() {
        let folders = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../dockerfiles");
        let mut found = BTreeSet::new();
        for folder in fs::read_dir(folders).unwrap() {
            let folder = folder.unwrap();
            if !folder.path().join(PREPARE).exists() {
                continue;
            }
            for file in fs::read_dir(folder.path()).unwrap() {
                let file = file.unwrap().file_name();
                if file != "Dockerfile" {
                    found.insert((folder.file_name(), file));
                }
            }
        }
        let listed: BTreeSet<_> = FILES
            .iter()
            .map(|file| (file.language.into(), file.name.into()))
            .collect();
        assert!(!found.is_empty());
        assert_eq!(found, listed);
    }
}
