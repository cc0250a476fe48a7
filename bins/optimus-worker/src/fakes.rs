//! Fakes of a store and of a backend, for tests of what is hard to bring about with the real ones.

mod backend;
mod store;

use std::{collections::BTreeMap, fs, path::PathBuf};

use optimus_common::{
    language::{Build, Concurrency, Execution, HostToolchain, Language, Languages, Resources},
    submission::{Submission, TestCase},
};
use tempfile::TempDir;

use crate::Settings;

pub(crate) use self::{
    backend::FakeBackend,
    store::{FakeStore, FakeStoreExt, store},
};

/// A language without a compile step, of one slot.
pub(crate) fn language(name: &str) -> Language {
    Language {
        name: name.parse().unwrap(),
        version: "1".to_owned(),
        image: format!("optimus/{name}:1"),
        dockerfile_path: "Dockerfile".into(),
        execution: Execution {
            command: "run".to_owned(),
            args: Vec::new(),
            file_extension: ".x".to_owned(),
            other_extensions: Vec::new(),
            source_name: "main.x".to_owned(),
            compile: Vec::new(),
            env: BTreeMap::new(),
            time_multiplier: 1.0,
            memory_allowance_mb: 0,
            sample: Some("echo".to_owned()),
            out_of_memory: Vec::new(),
        },
        queue_name: format!("optimus:queue:{name}"),
        memory_limit_mb: 64,
        cpu_limit: 1.0,
        resources: Resources::default(),
        concurrency: Concurrency {
            max_parallel_jobs: 1,
            max_parallel_tests: 1,
        },
        build: Build {
            base_image: "x".to_owned(),
            debian_packages: Vec::new(),
            version_command: "x".to_owned(),
        },
        host: HostToolchain::default(),
    }
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
