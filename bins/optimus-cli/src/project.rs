//! Where an installation's files are.

use std::{
    env,
    path::{Path, PathBuf},
};

use crate::exit::{Classify, Failure};

const LANGUAGES: &str = "config/languages.json";

/// The folder that holds `config/` and `dockerfiles/`.
#[derive(Debug, Clone)]
pub(crate) struct Project {
    root: PathBuf,
}

impl Project {
    /// The folder given, else the nearest one at or above the current folder that holds `config/languages.json`.
    pub(crate) fn find(root: Option<&Path>) -> Result<Self, Failure> {
        match root {
            Some(root) if root.join(LANGUAGES).is_file() => Ok(Self {
                root: root.to_owned(),
            }),
            Some(root) => Err(Failure::usage(format!(
                "{} does not hold {LANGUAGES}",
                root.display()
            ))),
            None => Self::at_or_above(&env::current_dir().system()?),
        }
    }

    fn at_or_above(folder: &Path) -> Result<Self, Failure> {
        folder
            .ancestors()
            .find(|folder| folder.join(LANGUAGES).is_file())
            .map(|root| Self { root: root.to_owned() })
            .ok_or_else(|| {
                Failure::usage(format!(
                    "neither {} nor a folder above it holds {LANGUAGES}; name the folder by --root or OPTIMUS_ROOT",
                    folder.display()
                ))
            })
    }

    pub(crate) fn languages_file(&self) -> PathBuf {
        self.root.join(LANGUAGES)
    }

    /// The context of every image's build.
    pub(crate) fn dockerfiles(&self) -> PathBuf {
        self.root.join("dockerfiles")
    }

    pub(crate) fn path(&self, relative: &Path) -> PathBuf {
        self.root.join(relative)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_nearest_folder_above_is_found() {
        let top = tempfile::tempdir().unwrap();
        let below = top.path().join("a/b");
        fs::create_dir_all(&below).unwrap();
        assert!(matches!(Project::find(Some(&below)), Err(Failure::Usage(_))));
        fs::create_dir_all(top.path().join("a/config")).unwrap();
        fs::write(top.path().join("a/config/languages.json"), "{}").unwrap();
        assert_eq!(Project::at_or_above(&below).unwrap().root, top.path().join("a"));
    }
}
