//! The configured languages, read again when their file changes.

use std::{
    fs,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use optimus_common::{
    causes,
    language::{Languages, LanguagesError, LanguagesFile},
};

/// `languages.json`, always as it stands on the disk, so that a language added needs no restart; or those compiled in.
///
/// While the file is invalid or missing, the languages last read from it are used.
#[derive(Debug)]
pub(crate) struct Catalog {
    file: LanguagesFile,
    read: Mutex<Read>,
}

#[derive(Debug)]
struct Read {
    /// Of the file as last looked at, whether it was valid or not: each version is complained about once.
    version: Option<Version>,
    languages: Arc<Languages>,
}

/// Two versions of a file differ in at least one of these, as editors and `optimus-cli` write it.
#[derive(Debug, PartialEq, Eq)]
struct Version {
    modified: Option<SystemTime>,
    length: u64,
    #[cfg(unix)]
    inode: u64,
}

impl Version {
    fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        Some(Self {
            modified: metadata.modified().ok(),
            length: metadata.len(),
            #[cfg(unix)]
            inode: std::os::unix::fs::MetadataExt::ino(&metadata),
        })
    }
}

impl Catalog {
    pub(crate) fn open(file: LanguagesFile) -> Result<Self, LanguagesError> {
        let version = file.path().and_then(Version::of);
        let languages = Arc::new(file.load()?);
        Ok(Self {
            file,
            read: Mutex::new(Read { version, languages }),
        })
    }

    /// The languages as they are now. Looks at the file's metadata each time, and at the file only when they changed.
    pub(crate) fn current(&self) -> Arc<Languages> {
        let version = self.file.path().and_then(Version::of);
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if read.version != version {
            match self.file.load() {
                Ok(languages) => {
                    tracing::info!(count = languages.languages.len(), "the languages changed");
                    read.languages = Arc::new(languages);
                }
                Err(error) => tracing::error!(
                    error = causes(&error),
                    "the languages changed and are not valid; those read before stay in use"
                ),
            }
            read.version = version;
        }
        Arc::clone(&read.languages)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHIPPED: &str = include_str!("../../../config/languages.json");

    fn names(catalog: &Catalog) -> Vec<String> {
        catalog
            .current()
            .languages
            .iter()
            .map(|language| language.name.to_string())
            .collect()
    }

    fn without_the_first(text: &str) -> String {
        let mut languages: serde_json::Value = serde_json::from_str(text).unwrap();
        languages["languages"].as_array_mut().unwrap().remove(0);
        languages.to_string()
    }

    #[test]
    fn a_changed_file_is_read_again_and_an_invalid_one_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("languages.json");
        fs::write(&path, SHIPPED).unwrap();
        let catalog = Catalog::open(path.clone().into()).unwrap();
        let all = names(&catalog);
        assert!(all.len() > 1);

        let shorter = without_the_first(SHIPPED);
        fs::write(&path, &shorter).unwrap();
        assert_eq!(names(&catalog), all[1..]);

        fs::write(&path, "{").unwrap();
        assert_eq!(names(&catalog), all[1..], "an invalid file changes nothing");
        fs::remove_file(&path).unwrap();
        assert_eq!(names(&catalog), all[1..], "a missing one neither");

        fs::write(&path, SHIPPED).unwrap();
        assert_eq!(names(&catalog), all);
    }

    #[test]
    fn an_invalid_file_is_refused_at_start() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Catalog::open(folder.path().join("none.json").into()).is_err());
    }
}
