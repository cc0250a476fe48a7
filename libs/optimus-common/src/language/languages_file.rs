//! Where the languages come from.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Languages, LanguagesError};

/// What a build of Optimus knows without any file beside it.
const BUILT_IN: &str = include_str!("../../../../config/languages.json");

/// The setting `languages_file`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "PathBuf")]
pub enum LanguagesFile {
    /// Relative paths start at the current directory.
    At(PathBuf),
    /// An empty setting: the languages that are compiled in.
    BuiltIn,
}

impl LanguagesFile {
    pub fn load(&self) -> Result<Languages, LanguagesError> {
        match self {
            Self::At(path) => Languages::load(path),
            Self::BuiltIn => Ok(serde_json::from_str(BUILT_IN).expect("the shipped languages are valid")),
        }
    }

    /// The file to look at for changes.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::At(path) => Some(path),
            Self::BuiltIn => None,
        }
    }
}

impl From<PathBuf> for LanguagesFile {
    fn from(path: PathBuf) -> Self {
        if path.as_os_str().is_empty() {
            Self::BuiltIn
        } else {
            Self::At(path)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_setting_is_what_is_compiled_in() {
        assert_eq!(LanguagesFile::from(PathBuf::new()), LanguagesFile::BuiltIn);
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/languages.json");
        let file = LanguagesFile::from(shipped);
        assert_eq!(LanguagesFile::BuiltIn.load().unwrap(), file.load().unwrap());
    }
}
