//! What the fuzz targets need of this crate's private parts. A refusal is the text that a person would read.

use std::path::Path;

use optimus_common::{
    language::{Language, Languages},
    submission::Submission,
};
use optimus_images::Dockerfile;
use optimus_worker::Settings;

use crate::{commands::grade, exit::Failure, registry, testcases};

type Answer<T> = Result<T, String>;

fn answer<T>(result: Result<T, Failure>) -> Answer<T> {
    result.map_err(|failure| failure.to_string())
}

/// The names of the test cases at `path`, and the submission they become part of.
pub fn test_cases(path: &Path, mut submission: Submission) -> Answer<(Vec<String>, Submission)> {
    let loaded = answer(testcases::load(path))?;
    loaded.settings.apply(&mut submission);
    submission.test_cases = loaded.cases;
    Ok((loaded.names, submission))
}

/// Everything that `grade --all` does with a problem before any of it runs.
pub fn examine(folder: &Path, settings: &Settings, languages: &Languages) -> Answer<()> {
    answer(grade::examine(folder, settings, languages))
}

/// Edits `languages.json` without a change, and returns what stood there.
pub fn rewrite_languages(path: &Path) -> Answer<Languages> {
    answer(registry::edit(path, |languages| Ok(languages.clone())))
}

pub fn dockerfile(language: &Language) -> String {
    let dockerfile = Dockerfile {
        title: language.name.as_str(),
        language,
        prepare: "",
        files: &[],
    };
    dockerfile.to_string()
}
