//! Twins of a store and of a backend, for tests of what is hard to bring about with the real ones.

mod backend;
mod store;

use std::collections::BTreeMap;

use optimus_common::{
    checker::Checker,
    job::Priority,
    language::{Build, Concurrency, Execution, Language, Resources},
    submission::{Submission, TestCase},
};

pub(crate) use self::{backend::TwinBackend, store::TwinStore};

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
            source_name: "main.x".to_owned(),
            compile: Vec::new(),
            env: BTreeMap::new(),
            time_multiplier: 1.0,
            memory_allowance_mb: 0,
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
    }
}

/// A submission whose program is one of those that [`TwinBackend`]'s boxes know, with a test for each pair of an
/// input and an expected output.
pub(crate) fn submission(program: &str, tests: &[(&str, &str)]) -> Submission {
    let test = |(id, (input, expected)): (u64, &(&str, &str))| TestCase {
        id,
        input: Some((*input).to_owned()),
        input_base64: None,
        expected_output: Some((*expected).to_owned()),
        expected_output_base64: None,
        points: None,
    };
    Submission {
        language: "python".parse().unwrap(),
        source_code: Some(program.to_owned()),
        files: Vec::new(),
        entry_point: None,
        test_cases: (1..).zip(tests).map(test).collect(),
        timeout_ms: None,
        wall_timeout_ms: None,
        compile_timeout_ms: None,
        memory_limit_mb: None,
        output_limit_bytes: None,
        args: Vec::new(),
        env: BTreeMap::new(),
        checker: Checker::default(),
        stop_on_failure: false,
        priority: Priority::default(),
        metadata: None,
    }
}
