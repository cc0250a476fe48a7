//! Which languages a worker serves.

use optimus_common::language::{Language, Languages};

/// Why a choice of languages cannot be served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChoiceError {
    #[error("there is no language {name:?}; there are: {known}")]
    Unknown { name: String, known: String },
    #[error("no language is chosen; name some, separated by commas, or \"all\"")]
    Nothing,
}

/// The languages named in `choice`, separated by commas; `all` for every one there is.
pub fn choose_languages(languages: &Languages, choice: &str) -> Result<Vec<Language>, ChoiceError> {
    let names: Vec<_> = choice
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect();
    let chosen: Vec<_> = if names == ["all"] {
        languages.languages.clone()
    } else {
        for name in &names {
            if !languages
                .languages
                .iter()
                .any(|language| language.name.as_str() == *name)
            {
                let known: Vec<_> = languages
                    .languages
                    .iter()
                    .map(|language| language.name.as_str())
                    .collect();
                return Err(ChoiceError::Unknown {
                    name: (*name).to_owned(),
                    known: known.join(", "),
                });
            }
        }
        languages
            .languages
            .iter()
            .filter(|language| names.contains(&language.name.as_str()))
            .cloned()
            .collect()
    };
    if chosen.is_empty() {
        Err(ChoiceError::Nothing)
    } else {
        Ok(chosen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::twins;

    fn languages() -> Languages {
        Languages {
            languages: ["c", "python"].map(twins::language).to_vec(),
        }
    }

    fn names(choice: &str) -> Vec<String> {
        let chosen = choose_languages(&languages(), choice).unwrap();
        chosen.into_iter().map(|language| language.name.into()).collect()
    }

    #[test]
    fn names_are_chosen_once_each() {
        assert_eq!(names("python"), ["python"]);
        assert_eq!(names(" python, c ,python"), ["c", "python"]);
        assert_eq!(names("all"), ["c", "python"]);
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        let error = choose_languages(&languages(), "python,perl").unwrap_err();
        assert_eq!(
            error.to_string(),
            "there is no language \"perl\"; there are: c, python"
        );
        assert_eq!(choose_languages(&languages(), " , "), Err(ChoiceError::Nothing));
        assert_eq!(
            choose_languages(&Languages::default(), "all"),
            Err(ChoiceError::Nothing)
        );
    }
}
