//! `languages.json`: read, checked, edited, and what is made of its entries.

use std::{fs, path::Component, sync::LazyLock};

use optimus_cli::fuzzing::{dockerfile, rewrite_languages};
use optimus_common::{
    language::{Language, Languages},
    submission::Submission,
};
use optimus_judge::plan::{JobPlan, usual_box_memory_bytes};
use optimus_worker::Settings;
use serde_json::json;

use crate::{memory::bounded, targets::package::scratch};

const MEMORY: usize = 256 << 10;
const MEMORY_PER_BYTE: usize = 200;

static SETTINGS: LazyLock<Settings> = LazyLock::new(Settings::defaults);

pub fn languages(input: &[u8]) {
    let folder = scratch();
    let path = folder.path().join("languages.json");
    bounded(MEMORY + MEMORY_PER_BYTE * input.len(), || {
        fs::write(&path, input).expect("the file can be written");
        match rewrite_languages(&path) {
            Ok(languages) => {
                let again = Languages::load(&path).expect("what was written can be read");
                assert_eq!(languages, again, "an edit changes what it does not mean to");
                languages.languages.iter().for_each(check);
            }
            Err(_) => assert_eq!(
                fs::read(&path).expect("the file is there"),
                input,
                "a refused edit has written"
            ),
        }
    });
}

fn check(language: &Language) {
    let submission: Submission = serde_json::from_value(json!({
        "language": language.name,
        "source_code": "",
        "test_cases": [{"id": 1, "expected_output": ""}],
    }))
    .expect("the submission is valid");
    if let Ok(plan) = JobPlan::new(&submission, language, &SETTINGS.limits) {
        let limits = &plan.run.limits;
        assert!(!limits.cpu_time.is_zero() && limits.wall_time >= limits.cpu_time);
        assert!(limits.memory_bytes > 0 && limits.file_size_bytes > 0);
        assert!(plan.box_memory_bytes >= limits.memory_bytes);
        assert!(plan.box_memory_bytes <= usual_box_memory_bytes(language));
        let _ = limits.longest_wall_time() + limits.wall_time;
    }
    let mut parts = language.dockerfile_path.components();
    assert!(
        parts.all(|part| matches!(part, Component::Normal(_))),
        "{} leaves the project",
        language.dockerfile_path.display()
    );
    check_dockerfile(language);
}

/// Texts of the entry stand inside of the instructions they belong to, and add none.
fn check_dockerfile(language: &Language) {
    let mut plain = language.clone();
    "x".clone_into(&mut plain.build.base_image);
    "x".clone_into(&mut plain.build.version_command);
    plain.build.debian_packages.clear();
    let lines = |language: &Language| dockerfile(language).lines().count();
    assert_eq!(lines(language), lines(&plain), "{:?}", language.build);
}
