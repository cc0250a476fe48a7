//! Copies of the binaries that only this suite runs, so that whatever is left of its processes can be told from all others
//! on this machine.

use std::{
    path::{Path, PathBuf},
    sync::Mutex,
};

use optimus_testkit::{executable, project};
use tempfile::TempDir;

static FOLDER: Mutex<Option<TempDir>> = Mutex::new(None);

const NAMES: [&str; 5] = [
    "optimus-api",
    "optimus-worker",
    "optimus-cli",
    "previous-optimus-api",
    "previous-optimus-worker",
];

/// This suite's copy of a binary.
pub(crate) fn path(name: &str) -> PathBuf {
    copy(&project::binary(name), name)
}

/// This suite's copy of a binary of the release before.
pub(crate) fn copy_of_previous(program: &Path) -> PathBuf {
    let name = program.file_name().unwrap().to_string_lossy();
    copy(program, &format!("previous-{name}"))
}

fn copy(program: &Path, name: &str) -> PathBuf {
    let mut folder = FOLDER.lock().unwrap();
    let folder = folder.get_or_insert_with(|| tempfile::tempdir().unwrap());
    let path = folder.path().join(name);
    if !path.exists() {
        executable::copy(program, &path);
    }
    path
}

/// All that were asked for so far.
pub(crate) fn copied() -> Vec<PathBuf> {
    let folder = FOLDER.lock().unwrap();
    let paths = folder
        .iter()
        .flat_map(|folder| NAMES.map(|name| folder.path().join(name)));
    paths.filter(|path| path.exists()).collect()
}

/// At the end of the suite.
pub(crate) fn remove() {
    FOLDER.lock().unwrap().take();
}
