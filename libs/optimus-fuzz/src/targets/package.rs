//! Problem packages and folders of tests, as they come out of somebody's archive.
//!
//! The input is a small tree: a line `=== path` begins a file, whose content follows; `=== path -> target` is a symbolic
//! link.

use std::{
    collections::HashSet,
    fs,
    os::unix::fs::symlink,
    path::{Component, Path},
    sync::LazyLock,
};

use optimus_cli::fuzzing::{examine, test_cases};
use optimus_common::{language::Languages, submission::Submission};
use optimus_worker::Settings;
use serde_json::json;
use tempfile::TempDir;

use crate::memory::bounded;

/// What a package's files may take beside a multiple of what they hold. A file of ours is read whole.
const MEMORY: usize = 4 << 20;
const MEMORY_PER_BYTE: usize = 400;

const MOST_ENTRIES: usize = 32;
const LONGEST_PATH: usize = 100;

static SETTINGS: LazyLock<Settings> = LazyLock::new(Settings::defaults);

static LANGUAGES: LazyLock<Languages> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../../../config/languages.json"))
        .expect("the shipped file is valid")
});

pub fn package(input: &[u8]) {
    let scratch = scratch();
    let folder = scratch.path().join("problem");
    fs::create_dir(&folder).expect("the folder can be made");
    plant(&folder, input);
    LazyLock::force(&LANGUAGES);
    bounded(MEMORY + MEMORY_PER_BYTE * input.len(), || {
        let read = || test_cases(&folder, template());
        let found = read();
        assert_eq!(found, read(), "the same folder is read in two ways");
        if let Ok((names, submission)) = &found {
            check(names, submission);
        }
        let examined = examine(&folder, &SETTINGS, &LANGUAGES);
        assert!(examined.is_err() || found.is_ok(), "{found:?}");
    });
}

/// A folder in memory where the machine has one.
pub(crate) fn scratch() -> TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir()
    };
    made.expect("a folder can be made")
}

fn template() -> Submission {
    let submission = json!({"language": "c", "source_code": "", "test_cases": []});
    serde_json::from_value(submission).expect("the submission is valid")
}

fn check(names: &[String], submission: &Submission) {
    let cases = &submission.test_cases;
    assert!(!cases.is_empty());
    assert_eq!(names.len(), cases.len());
    let ids: HashSet<_> = cases.iter().map(|case| case.id).collect();
    assert_eq!(ids.len(), cases.len());
    let limits = [
        submission.timeout_ms,
        submission.memory_limit_mb,
        submission.output_limit_bytes,
        submission.compile_timeout_ms,
    ];
    if submission.validate(&SETTINGS.limits.max).is_ok() {
        assert!(!limits.contains(&Some(0)));
        let json = serde_json::to_vec(submission).expect("a submission is JSON");
        let again: Submission = serde_json::from_slice(&json).expect("what was written can be read");
        assert_eq!(*submission, again);
    }
}

/// Makes the tree. What cannot be made is left out.
fn plant(folder: &Path, input: &[u8]) {
    const HEAD: &[u8] = b"=== ";
    let mut entries: Vec<(&[u8], Vec<&[u8]>)> = Vec::new();
    for line in input.split(|byte| *byte == b'\n') {
        if let Some(path) = line.strip_prefix(HEAD) {
            entries.push((path, Vec::new()));
        } else if let Some((_, content)) = entries.last_mut() {
            content.push(line);
        }
    }
    for (path, content) in entries.into_iter().take(MOST_ENTRIES) {
        let Ok(path) = str::from_utf8(path) else { continue };
        let (path, target) = path
            .split_once(" -> ")
            .map_or((path, None), |(path, target)| (path, Some(target)));
        if !stays_inside(path) {
            continue;
        }
        let path = folder.join(path);
        let made = path.parent().map_or(Ok(()), fs::create_dir_all);
        let _ = made.and_then(|()| match target {
            Some(target) => symlink(target, &path),
            None => fs::write(&path, content.join(&b'\n')),
        });
    }
}

fn stays_inside(path: &str) -> bool {
    let mut parts = Path::new(path).components();
    !path.is_empty()
        && path.len() <= LONGEST_PATH
        && !path.contains('\0')
        && parts.all(|part| matches!(part, Component::Normal(_)))
}
