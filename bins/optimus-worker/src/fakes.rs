//! Fakes of a store and of a backend, for tests of what is hard to bring about with the real ones.

mod backend;
mod store;

use std::{fs, path::PathBuf};

use optimus_common::{
    language::{Language, Languages},
    submission::{Submission, TestCase},
};
use optimus_testkit::languages;
use tempfile::TempDir;

use crate::Settings;

pub(crate) use self::{
    backend::FakeBackend,
    store::{FakeStore, FakeStoreExt, store},
};

/// A language without a compile step, of one slot.
pub(crate) fn language(name: &str) -> Language {
    let mut language = languages::interpreted(name);
    language.execution.sample = Some("echo".to_owned());
    language.concurrency.max_parallel_jobs = 1;
    language
}

/// A file of languages.
pub(crate) struct LanguagesFile {
    dir: TempDir,
}

impl LanguagesFile {
    pub(crate) fn with(languages: &[Language]) -> Self {
        let file = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        file.write(languages);
        file
    }

    pub(crate) fn write(&self, languages: &[Language]) {
        let languages = Languages {
            languages: languages.to_vec(),
        };
        fs::write(self.path(), serde_json::to_vec(&languages).unwrap()).unwrap();
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("languages.json")
    }

    /// The defaults with this file, and these languages chosen.
    pub(crate) fn settings(&self, choice: &str) -> Settings {
        let mut settings = Settings::defaults();
        settings.languages_file = self.path().into();
        choice.clone_into(&mut settings.worker.languages);
        settings.worker.warm_boxes = 1;
        settings
    }
}

/// A submission whose program is one of those that [`FakeBackend`]'s boxes know, with a test for each pair of an
/// input and an expected output.
pub(crate) fn submission(program: &str, tests: &[(&str, &str)]) -> Submission {
    let test = |(id, (input, expected)): (u64, &(&str, &str))| TestCase::new(id, *input, *expected);
    let tests = (1..).zip(tests).map(test).collect();
    Submission::new("python".parse().unwrap(), program, tests)
}
