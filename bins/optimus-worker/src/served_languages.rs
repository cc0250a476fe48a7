//! Which languages a worker serves, also after their file has changed.

use optimus_common::{
    causes,
    language::{Language, Languages, LanguagesError, LanguagesFile},
};
use tracing::{info, warn};

use crate::Settings;

/// The languages chosen among those in `languages.json`.
#[derive(Debug)]
pub struct ServedLanguages {
    file: LanguagesFile,
    /// Names separated by commas, or `all`.
    choice: String,
    languages: Vec<Language>,
    /// What was wrong when the file was read last, told once.
    complaint: Option<String>,
}

/// Why a choice of languages cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServedLanguagesError {
    #[error(transparent)]
    File(#[from] LanguagesError),
    #[error("there is no language {name:?}; there are: {known}")]
    Unknown { name: String, known: String },
    #[error("no language is chosen; name some, separated by commas, or \"all\"")]
    Nothing,
}

impl ServedLanguages {
    pub fn open(settings: &Settings) -> Result<Self, ServedLanguagesError> {
        let (file, choice) = (settings.languages_file.clone(), settings.worker.languages.clone());
        let languages = choose(&file.load()?, &choice)?;
        Ok(Self {
            file,
            choice,
            languages,
            complaint: None,
        })
    }

    pub fn current(&self) -> &[Language] {
        &self.languages
    }

    /// Reads the file again. While it is not valid, what was read before stays in use.
    pub(crate) fn refresh(&mut self) {
        let read = self.file.load().map_err(ServedLanguagesError::File);
        match read.and_then(|languages| choose(&languages, &self.choice)) {
            Ok(languages) => {
                self.complaint = None;
                if languages != self.languages {
                    info!(languages = ?languages.iter().map(|language| &language.name).collect::<Vec<_>>(), "the languages changed");
                    self.languages = languages;
                }
            }
            Err(error) => {
                let complaint = causes(&error);
                if self.complaint.as_ref() != Some(&complaint) {
                    warn!(
                        error = complaint,
                        "the languages changed to what cannot be served; those before stay in use"
                    );
                }
                self.complaint = Some(complaint);
            }
        }
    }
}

/// The languages named in `choice`; `all` for every one there is.
fn choose(languages: &Languages, choice: &str) -> Result<Vec<Language>, ServedLanguagesError> {
    let names: Vec<_> = choice
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect();
    let chosen: Vec<_> = if names == ["all"] {
        languages.languages.clone()
    } else {
        let known: Vec<_> = languages
            .languages
            .iter()
            .map(|language| language.name.as_str())
            .collect();
        if let Some(name) = names.iter().find(|name| !known.contains(name)) {
            return Err(ServedLanguagesError::Unknown {
                name: (*name).to_owned(),
                known: known.join(", "),
            });
        }
        let is_chosen = |language: &&Language| names.contains(&language.name.as_str());
        languages.languages.iter().filter(is_chosen).cloned().collect()
    };
    if chosen.is_empty() {
        Err(ServedLanguagesError::Nothing)
    } else {
        Ok(chosen)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::fakes;

    fn languages(names: &[&str]) -> Languages {
        Languages {
            languages: names.iter().map(|name| fakes::language(name)).collect(),
        }
    }

    fn names(languages: &[Language]) -> Vec<&str> {
        languages.iter().map(|language| language.name.as_str()).collect()
    }

    #[test]
    fn names_are_chosen_once_each() {
        let languages = languages(&["c", "python"]);
        for (choice, expected) in [
            ("python", &["python"][..]),
            (" python, c ,python", &["c", "python"]),
            ("all", &["c", "python"]),
        ] {
            assert_eq!(names(&choose(&languages, choice).unwrap()), expected);
        }
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        let error = choose(&languages(&["c", "python"]), "python,perl").unwrap_err();
        assert_eq!(
            error.to_string(),
            "there is no language \"perl\"; there are: c, python"
        );
        assert!(matches!(
            choose(&languages(&["c"]), " , "),
            Err(ServedLanguagesError::Nothing)
        ));
        assert!(matches!(
            choose(&languages(&[]), "all"),
            Err(ServedLanguagesError::Nothing)
        ));
    }

    #[test]
    fn a_file_that_is_not_valid_changes_nothing() {
        let file = fakes::LanguagesFile::with(&[fakes::language("c")]);
        let mut languages = ServedLanguages::open(&file.settings("all")).unwrap();
        fs::write(file.path(), "{").unwrap();
        languages.refresh();
        assert_eq!(names(languages.current()), ["c"]);
        file.write(&[fakes::language("c"), fakes::language("python")]);
        languages.refresh();
        assert_eq!(names(languages.current()), ["c", "python"]);
    }
}
