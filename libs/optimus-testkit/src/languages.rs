//! Languages that only tests have. A test changes the fields that matter to it.

use std::collections::BTreeMap;

use optimus_common::language::{
    Build, Concurrency, Execution, HostToolchain, Language, OutOfMemory, Resources,
};

/// A language of this name without a compile step and without a sample.
pub fn interpreted(name: &str) -> Language {
    Language {
        name: name.parse().unwrap(),
        version: "1".to_owned(),
        image: format!("optimus/{name}:1"),
        dockerfile_path: format!("dockerfiles/{name}/Dockerfile").into(),
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
            sample: None,
            out_of_memory: Vec::new(),
        },
        queue_name: format!("optimus:queue:{name}"),
        memory_limit_mb: 64,
        cpu_limit: 1.0,
        resources: Resources::default(),
        concurrency: Concurrency::default(),
        build: Build {
            base_image: "base".to_owned(),
            debian_packages: Vec::new(),
            version_command: "version".to_owned(),
        },
        host: HostToolchain::default(),
    }
}

/// C++, whose compile step makes a program that ends as C++ does when it is out of memory.
pub fn cpp() -> Language {
    let mut language = interpreted("cpp");
    let execution = &mut language.execution;
    execution.command = "./main".into();
    execution.file_extension = ".cpp".into();
    execution.source_name = "main.cpp".into();
    execution.compile = strings(&["g++", "{sources}"]);
    execution.out_of_memory = vec![OutOfMemory {
        exit_code: None,
        signal: Some("SIGABRT".to_owned()),
        stderr_last_line: Some("*bad_alloc".to_owned()),
        stderr_line: None,
        runtime_mb: 0,
    }];
    language
}

/// As the fields of a recipe have them.
pub fn strings(items: &[&str]) -> Vec<String> {
    items.iter().map(ToString::to_string).collect()
}
